"""Samples: crop number i of a training run is a function of (seed, i) alone.

So any number of loaders and any restart give the same samples. That one seed decides the set, the item, the place (half
of the samples lie on a class that is drawn evenly), the pose and the augmentation.
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

from geoseg.arrays import Bytes, Image
from geoseg.classes import NOT, UNLABELLED
from geoseg.datasets.items import Item, read_aux, read_item, read_labels
from geoseg.learn.augment import Augmentation, change_photo, draw_pose, lay_crop
from geoseg.spawn import without_main

__all__ = ["Batches", "Crop", "LabelledSet", "Sample", "Samples", "class_places", "loader"]

Sample = tuple[Image, Bytes, int]
"""Image (C, S, S), label codes (S, S), number of the set; with scores beside the classes, planes (1 + A, S, S)."""

Places = npt.NDArray[np.int32]
"""Pixels (N, 2): row, column."""

INDEX_STEP = 4
"""The index of class places looks at every fourth row and column of the labels."""

INDEX_MOST = 4000
"""Most pixels of one class that the index keeps."""


@dataclass(frozen=True)
class LabelledSet:
    """Items of one data set and its share of the samples.

    `patchy`: most pixels are not known, so every sample lies on one that is, if only that it is not of some class.
    """

    name: str
    items: tuple[Item, ...]
    share: float = 1.0
    patchy: bool = False


@lru_cache(maxsize=512)
def class_places(item: Item, *, denied: bool = False) -> dict[int, Places]:
    """For each class index some pixels of the item's region that have it; read by strips of rows.

    `denied`: also for each label `NOT + k`, and out of all pixels, since few may be known.
    """
    most, step = (UNLABELLED, 1) if denied else (NOT, INDEX_STEP)
    row, col, height, width = item.region
    places: dict[int, list[Places]] = {}
    for top in range(row, row + height, 1024):
        part = Window(col, top, width, min(1024, row + height - top))
        codes = read_labels(item, part)[::step, ::step]
        for code in np.unique(codes[codes < most]).tolist():
            found = np.argwhere(codes == code).astype(np.int32) * step
            places.setdefault(int(code), []).append(found + np.array([top, col], np.int32))
    return {code: _thin(np.concatenate(parts)) for code, parts in places.items()}


def _thin(places: Places) -> Places:
    step = max(1, len(places) // INDEX_MOST)
    return places[::step]


@dataclass(frozen=True)
class Crop:
    """The size of every sample: `side` pixels of `gsd` metres.

    `fill` holds the band values without data, `full` is the value of the brightest pixel. `aux`: names of the scores
    beside the classes that are learned; their labels follow the label codes as further planes.
    """

    side: int
    gsd: float
    fill: tuple[float, ...]
    full: float = 255.0
    aux: tuple[str, ...] = ()


class Samples(Dataset[Sample]):
    """Sample i: image (C, S, S), label codes uint8 (S, S), number of its set.

    The image is uint8, or float32 where files or network hold more than 8 bits.
    """

    def __init__(
        self,
        sets: tuple[LabelledSet, ...],
        crop: Crop,
        augmentation: Augmentation,
        seed: int,
        balance: float = 0.5,
    ) -> None:
        """Samples of some sets.

        Args:
            sets: each gives its share of the samples; within a set, items count by their area on the ground.
            crop: size of a sample.
            augmentation: what may happen to a sample.
            seed: another order, other places and other augmentation for each.
            balance: share of the samples that lie on a pixel of a class that was drawn evenly.
        """
        self.sets, self.crop, self.seed, self.balance = sets, crop, seed, balance
        self.fill, self.augmentation = np.array(crop.fill, np.float32), augmentation
        shares = np.array([s.share for s in sets], float)
        self.shares = shares / shares.sum()
        areas = [np.array([i.region[2] * i.region[3] * i.image.gsd**2 for i in s.items], float) for s in sets]
        self.areas = [a / a.sum() for a in areas]

    def __getitem__(self, index: int) -> Sample:
        """One sample; the same for the same index, whoever asks."""
        rng = np.random.default_rng([self.seed, index])
        which = int(rng.choice(len(self.sets), p=self.shares))
        items = self.sets[which].items
        item = items[int(rng.choice(len(items), p=self.areas[which]))]
        pose = draw_pose(rng, self.augmentation, self.crop.side, self.crop.gsd / item.image.gsd)
        row, col = self._place(rng, item, pose.reach, patchy=self.sets[which].patchy)
        window = Window(col, row, pose.reach, pose.reach)
        image, codes, valid = read_item(item, window)
        if self.crop.aux:
            codes = np.concatenate([codes[None], read_aux(item, window, self.crop.aux)])
        crop, labels = lay_crop(image, codes, valid, pose, self.fill)
        return (*change_photo(crop, labels, rng, self.augmentation, self.fill, self.crop.full), which)

    def _place(self, rng: np.random.Generator, item: Item, reach: int, *, patchy: bool) -> tuple[int, int]:
        """Upper left corner (row, column) of a source window: on a class drawn evenly, or anywhere.

        The window lies inside the region where that is large enough.
        """
        top, left, height, width = item.region
        centre = rng.uniform(top, top + height), rng.uniform(left, left + width)
        if rng.uniform() < self.balance or patchy:
            places = class_places(item, denied=patchy)
            if places:
                chosen = places[sorted(places)[int(rng.integers(len(places)))]]
                y, x = chosen[int(rng.integers(len(chosen)))]
                shift = rng.uniform(-0.4, 0.4, 2) * reach
                centre = y + shift[0], x + shift[1]
        return _corner(centre[0], top, height, reach), _corner(centre[1], left, width, reach)


def _corner(centre: float, start: int, length: int, reach: int) -> int:
    low, high = sorted((start, start + length - reach))
    return int(np.clip(round(centre - reach / 2), low, high))


@dataclass(frozen=True)
class Batches(Sampler[list[int]]):
    """Sample numbers of the batches `first` to `last`, each of `size`; rank r of n ranks takes every n-th batch."""

    first: int
    last: int
    size: int
    rank: int = 0
    ranks: int = 1

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first, self.last):
            start = (step * self.ranks + self.rank) * self.size
            yield list(range(start, start + self.size))

    def __len__(self) -> int:
        return self.last - self.first


def _stack(samples: list[Sample]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    images = torch.from_numpy(np.stack([s[0] for s in samples]))
    return images, torch.from_numpy(np.stack([s[1] for s in samples])), torch.tensor([s[2] for s in samples])


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def loader(
    samples: Samples, batches: Batches, *, workers: int, pinned: bool = False
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Batches in order: images (B, C, S, S), uint8 or float32, codes uint8 (B, S, S), set numbers int64 (B,).

    Args:
        samples: where they come from.
        batches: which ones.
        workers: processes that make them; 0 for this process.
        pinned: in pinned memory, for fast copies to a GPU.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch counts cores and advises against what the user chose
        made: DataLoader[Sample] = DataLoader(
            samples,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=_stack,
            pin_memory=pinned,
            worker_init_fn=_one_thread if workers else None,
            multiprocessing_context="spawn" if workers else None,
            prefetch_factor=4 if workers else None,
        )
        with without_main():
            batches_made = iter(made)
        yield from batches_made
