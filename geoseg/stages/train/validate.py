"""Validation while training: a network in memory over the validation regions, with the lattice and blending of production."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from rasterio.windows import Window
from torch import nn

from geoseg.arrays import Bytes
from geoseg.classes import NODATA
from geoseg.datasets.items import Item, read_item, read_labels
from geoseg.datasets.samples import Crop, LabelledSet, Samples
from geoseg.learn.augment import NONE
from geoseg.learn.loop import standardise
from geoseg.metrics.pixels import Tally, tally
from geoseg.models.card import Card
from geoseg.predict.build import default_lanes
from geoseg.predict.region import predict_region, region_backend, region_lattice, snapped_ratio

__all__ = ["centred", "fitted_temperature", "validate"]


def centred(item: Item, pixels: int) -> Item:
    """The item, its region cut around its centre to at most so many pixels."""
    row, col, height, width = item.region
    share = min(1.0, math.sqrt(pixels / (height * width)))
    high, wide = max(1, int(height * share)), max(1, int(width * share))
    return item.within((row + (height - high) // 2, col + (width - wide) // 2, high, wide))


def validate(network: nn.Module, card: Card, sets: list[LabelledSet], pixels: int, device: str) -> dict[str, Tally]:
    """Counts of each set, over at most `pixels` network pixels in all, shared out evenly among items.

    Each region sees only itself: what lies beyond it may be training ground.
    """
    many = sum(len(s.items) for s in sets)
    # ratio of areas: network pixels are what costs time
    counts = {}
    threads = torch.get_num_threads()
    backends: dict[object, object] = {}
    try:
        for one in sets:
            total = Tally.zero(len(card.classes))
            for item in one.items:
                ratio = snapped_ratio(item.image.gsd, card)
                if ratio not in backends:
                    backends[ratio] = region_backend(network.eval(), card, ratio, device=device, lanes=default_lanes())
                part = centred(item, int(pixels / many / float(ratio) ** 2))
                total = total + _item_counts(part, backends[ratio], card)
            counts[one.name] = total
    finally:
        for backend in backends.values():
            backend.close()  # type: ignore[attr-defined]
        torch.set_num_threads(threads)  # lanes count as one thread each
    return counts


def _item_counts(item: Item, backend: object, card: Card) -> Tally:
    total = [Tally.zero(len(card.classes))]

    def take(window: Window, classes: Bytes, confidence: Bytes) -> None:
        total[0] = total[0] + tally(read_labels(item, window), classes, len(card.classes))

    def read(window: Window) -> tuple[Bytes, npt.NDArray[np.bool_]]:
        image, _, valid = read_item(item, window)
        return image, valid

    lattice = region_lattice(card, snapped_ratio(item.image.gsd, card))
    predict_region(read, item.window, lattice, backend, take)  # type: ignore[arg-type]
    return total[0]


def fitted_temperature(network: nn.Module, card: Card, sets: list[LabelledSet], side: int, crops: int = 48) -> float:
    """The temperature with the lowest log loss on crops of labelled ground (Guo et al. 2017, section 4.2); 1 where no pixel is named."""
    samples = Samples(
        tuple(replace(s, share=1.0) for s in sets), Crop(side, card.gsd, card.mean), NONE, 12345, balance=0.0
    )
    logits, truths = [], []
    for i in range(crops):
        image, labels, _ = samples[i]
        named = torch.from_numpy(labels.ravel().astype(np.int64))[::7]
        keep = named < len(card.classes)
        if not keep.any():
            continue
        x = standardise(torch.from_numpy(image)[None], list(card.mean), list(card.std))
        with torch.inference_mode():
            out = network.to("cpu")(x)
        scores = (out["out"] if isinstance(out, dict) else out)[0].float().flatten(1).T[::7]
        logits.append(scores[keep])
        truths.append(named[keep])
    if not logits:
        return 1.0
    scores, truth = torch.cat(logits), torch.cat(truths)
    grid = np.arange(0.4, 4.01, 0.05)
    losses = [float(nn.functional.cross_entropy(scores / t, truth, ignore_index=NODATA)) for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 2)
