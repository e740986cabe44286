"""Samples: crop number i of a training run, a pure function of (seed, i), so that any number of loaders and any restart give the same.

Which set, which item, which place (half of them on a class drawn evenly), which pose and which weather all hang on that one seed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from rasterio.windows import Window
from torch.utils.data import DataLoader, Dataset, Sampler

from geoseg.arrays import Bytes
from geoseg.classes import NOT
from geoseg.datasets.items import Item, read_item, read_labels
from geoseg.learn.augment import Augmentation, draw_pose, photographed, posed

__all__ = ["LabelledSet", "Samples", "class_places", "loader"]


INDEX_STEP = 4
"""Pixels between the labels that the index of class places looks at."""

INDEX_MOST = 4000


@dataclass(frozen=True)
class LabelledSet:
    """Items of one data set and its share of the samples."""

    name: str
    items: tuple[Item, ...]
    share: float = 1.0


@lru_cache(maxsize=512)
def class_places(item: Item) -> dict[int, npt.NDArray[np.int32]]:
    """Code -> some pixels (N, 2) of the item's region that bear it, on a coarse lattice; read by strips of rows."""
    row, col, height, width = item.region
    places: dict[int, list[npt.NDArray[np.int32]]] = {}
    for top in range(row, row + height, 1024):
        part = Window(col, top, width, min(1024, row + height - top))
        codes = read_labels(item, part)[::INDEX_STEP, ::INDEX_STEP]
        for code in np.unique(codes[codes < NOT]).tolist():
            found = np.argwhere(codes == code).astype(np.int32) * INDEX_STEP
            places.setdefault(int(code), []).append(found + np.array([top, col], np.int32))
    return {code: _thinned(np.concatenate(parts)) for code, parts in places.items()}


def _thinned(places: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    step = max(1, len(places) // INDEX_MOST)
    return places[::step]


class Samples(Dataset[tuple[Bytes, Bytes, int]]):
    """Sample i: image uint8 (C, S, S), label codes uint8 (S, S), number of its set."""

    def __init__(
        self,
        sets: tuple[LabelledSet, ...],
        side: int,
        gsd: float,
        fill: tuple[float, ...],
        augmentation: Augmentation,
        seed: int,
        balance: float = 0.5,
    ) -> None:
        self.sets, self.side, self.gsd, self.seed, self.balance = sets, side, gsd, seed, balance
        self.fill, self.augmentation = np.array(fill, np.float32), augmentation
        shares = np.array([s.share for s in sets], float)
        self.shares = shares / shares.sum()
        areas = [np.array([i.region[2] * i.region[3] * i.image.gsd**2 for i in s.items], float) for s in sets]
        self.areas = [a / a.sum() for a in areas]

    def __getitem__(self, index: int) -> tuple[Bytes, Bytes, int]:
        """One sample; the same for the same index, whoever asks."""
        rng = np.random.default_rng([self.seed, index])
        which = int(rng.choice(len(self.sets), p=self.shares))
        items = self.sets[which].items
        item = items[int(rng.choice(len(items), p=self.areas[which]))]
        pose = draw_pose(rng, self.augmentation, self.side, self.gsd / item.image.gsd)
        row, col = self._place(rng, item, pose.reach)
        image, codes, valid = read_item(item, Window(col, row, pose.reach, pose.reach))
        crop, labels = posed(image, codes, valid, pose, self.fill)
        return (*photographed(crop, labels, rng, self.augmentation, self.fill), which)

    def _place(self, rng: np.random.Generator, item: Item, reach: int) -> tuple[int, int]:
        """Upper left corner of a source window: on a class drawn evenly, or anywhere; inside the region where it is large enough."""
        top, left, height, width = item.region
        centre = rng.uniform(top, top + height), rng.uniform(left, left + width)
        if rng.uniform() < self.balance:
            places = class_places(item)
            if places:
                chosen = places[sorted(places)[int(rng.integers(len(places)))]]
                y, x = chosen[int(rng.integers(len(chosen)))]
                shift = rng.uniform(-0.4, 0.4, 2) * reach
                centre = y + shift[0], x + shift[1]
        return _corner(centre[0], top, height, reach), _corner(centre[1], left, width, reach)


def _corner(centre: float, start: int, length: int, reach: int) -> int:
    low, high = sorted((start, start + length - reach))
    return int(np.clip(round(centre - reach / 2), low, high))


class _Steps(Sampler[list[int]]):
    """Sample numbers of each batch from `first` to `last` step; rank r of n takes every n-th batch."""

    def __init__(self, first: int, last: int, batch: int, rank: int, ranks: int) -> None:
        self.first, self.last, self.batch, self.rank, self.ranks = first, last, batch, rank, ranks

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first, self.last):
            start = (step * self.ranks + self.rank) * self.batch
            yield list(range(start, start + self.batch))

    def __len__(self) -> int:
        return self.last - self.first


def _stacked(samples: list[tuple[Bytes, Bytes, int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    images = torch.from_numpy(np.stack([s[0] for s in samples]))
    return images, torch.from_numpy(np.stack([s[1] for s in samples])), torch.tensor([s[2] for s in samples])


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def loader(
    samples: Samples,
    first: int,
    last: int,
    batch: int,
    *,
    workers: int,
    rank: int = 0,
    ranks: int = 1,
    pinned: bool = False,
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Batches of steps `first` to `last`: images uint8 (B, C, S, S), codes uint8 (B, S, S), set numbers (B,)."""
    steps = _Steps(first, last, batch, rank, ranks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch counts cores and advises against what the user chose
        made: DataLoader[tuple[Bytes, Bytes, int]] = DataLoader(
            samples,
            batch_sampler=steps,
            num_workers=workers,
            collate_fn=_stacked,
            pin_memory=pinned,
            worker_init_fn=_one_thread if workers else None,
            multiprocessing_context="spawn" if workers else None,
            prefetch_factor=4 if workers else None,
        )
        yield from made
