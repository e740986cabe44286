"""Validation in training: a network in memory over the validation regions, with production's lattice and blending."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from rasterio.windows import Window
from torch import nn

from geoseg.arrays import Bytes, full_scale
from geoseg.classes import NODATA
from geoseg.datasets.items import Item, image_reader, read_labels
from geoseg.datasets.samples import Crop, LabelledSet, Samples
from geoseg.learn.augment import NONE
from geoseg.learn.loop import batch_loss, standardise
from geoseg.learn.settings import TrainConfig
from geoseg.metrics.pixels import Tally, tally
from geoseg.models.card import Card
from geoseg.predict.lattice import snapped_ratio
from geoseg.predict.region import RegionPredictor

__all__ = ["fit_temperature", "mean_loss", "validate"]


def validate(network: nn.Module, card: Card, sets: list[LabelledSet], pixels: int, device: str) -> dict[str, Tally]:
    """Counts of each set by name, over at most `pixels` network pixels in all, shared out evenly among items.

    Each region sees only itself: the ground around it may be training ground.
    """
    many = sum(len(s.items) for s in sets)
    counts = {}
    with RegionPredictor(network.eval(), card, device=device) as predictor:
        for one in sets:
            total = Tally.zero(len(card.classes))
            for item in one.items:
                # the pixels that the network sees are what takes time
                most = int(pixels / many / float(snapped_ratio(item.image.gsd, card)) ** 2)
                total = total + _count(_centre(item, most), predictor)
            counts[one.name] = total
    return counts


def _centre(item: Item, pixels: int) -> Item:
    """The item with its region cut to at most so many pixels around its centre."""
    row, col, height, width = item.region
    share = min(1.0, math.sqrt(pixels / (height * width)))
    high, wide = max(1, int(height * share)), max(1, int(width * share))
    return item.within((row + (height - high) // 2, col + (width - wide) // 2, high, wide))


def _count(item: Item, predictor: RegionPredictor) -> Tally:
    classes = len(predictor.card.classes)
    tallies: list[Tally] = []

    def take(window: Window, found: Bytes, confidence: Bytes) -> None:
        tallies.append(tally(read_labels(item, window), found, classes))

    predictor.predict(image_reader(item), item.window, item.image.gsd, take)
    return sum(tallies, start=Tally.zero(classes))


def mean_loss(network: nn.Module, card: Card, sets: list[LabelledSet], config: TrainConfig) -> tuple[float, int]:
    """The mean of the config's loss over crops drawn evenly from the ground of a split, and their number.

    As many crops as cover the split, but not more than `validation_pixels`. Those without a known label do not count;
    nothing is augmented.
    """
    area = sum(i.region[2] * i.region[3] * (i.image.gsd / card.gsd) ** 2 for s in sets for i in s.items)
    count = max(1, math.ceil(min(area, config.validation_pixels) / config.crop**2))
    samples = Samples(
        tuple(sets), Crop(config.crop, card.gsd, card.mean, full_scale(card.dtype)), NONE, 54321, balance=0.0
    )
    total, counted = 0.0, 0
    for i in range(count):
        image, labels, which = samples[i]
        if not (labels < len(card.classes)).any():
            continue
        counted += 1
        with torch.inference_mode():
            out = network.to("cpu")(standardise(torch.from_numpy(image)[None], card.mean, card.std))
        scores = (out["out"] if isinstance(out, dict) else out).float()[:, : len(card.classes)]
        truth = torch.from_numpy(labels)[None].long()
        total += float(batch_loss(config, scores, truth, torch.tensor([which])))
    return total / max(1, counted), counted


def fit_temperature(network: nn.Module, card: Card, sets: list[LabelledSet], side: int, crops: int = 48) -> float:
    """The temperature with the lowest log loss on labelled ground (Guo et al. 2017, section 4.2).

    Measured on `crops` samples of `side` pixels; 1 where none of their pixels has a class.
    """
    even = tuple(replace(s, share=1.0) for s in sets)
    samples = Samples(even, Crop(side, card.gsd, card.mean, full_scale(card.dtype)), NONE, 12345, balance=0.0)
    logits, truths = [], []
    for i in range(crops):
        image, labels, _ = samples[i]
        named = torch.from_numpy(labels.ravel().astype(np.int64))[::7]
        keep = named < len(card.classes)
        if not keep.any():
            continue
        x = standardise(torch.from_numpy(image)[None], card.mean, card.std)
        with torch.inference_mode():
            out = network.to("cpu")(x)
        scores = (out["out"] if isinstance(out, dict) else out)[0, : len(card.classes)].float().flatten(1).T[::7]
        logits.append(scores[keep])
        truths.append(named[keep])
    if not logits:
        return 1.0
    scores, truth = torch.cat(logits), torch.cat(truths)
    grid = np.arange(0.4, 4.01, 0.05)
    losses = [float(nn.functional.cross_entropy(scores / t, truth, ignore_index=NODATA)) for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 2)
