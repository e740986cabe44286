"""Classes and confidence of any readable region without a run folder: what training validates with and evaluation measures.

The same lattice, blending and backend as a run's, so scores of a validation are those of production.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch
from rasterio.windows import Window

from geoseg.geometry.lattice import Lattice
from geoseg.models.card import Card
from geoseg.models.facts import Conversion, Normalise
from geoseg.predict.backend import Backend
from geoseg.predict.cpu import CpuBackend
from geoseg.predict.cuda import DeviceBackend, pick_device
from geoseg.predict.engines import ENGINES
from geoseg.predict.stream import Finished, Read, stream_panel
from geoseg.predict.wrap import Wrapped

__all__ = ["predict_region", "region_backend", "region_lattice", "snapped_ratio"]


def snapped_ratio(gsd: float, card: Card) -> Fraction:
    """Network pixels per source pixel: 1 where the GSD is within 15 % of the network's own, else a small fraction near it that keeps strides whole."""
    wanted = gsd / card.gsd
    sizes = (card.patch, card.patch - card.overlap, card.margin)
    fits = {
        Fraction(p, q)
        for q in range(1, 65)
        for p in range(1, 65)
        if all((Fraction(n) * Fraction(q, p)).denominator == 1 for n in sizes)
    }
    good = [r for r in fits if abs(float(r) / wanted - 1) <= 0.15] or [
        min(fits, key=lambda r: abs(float(r) / wanted - 1))
    ]
    return min(good, key=lambda r: (r.numerator * r.denominator, abs(float(r) / wanted - 1)))


def region_lattice(card: Card, ratio: Fraction) -> Lattice:
    """The card's own patches, in source pixels."""
    return Lattice(int(card.patch / ratio), int(card.overlap / ratio), int(card.margin / ratio))


def region_backend(
    network: Callable[[torch.Tensor], torch.Tensor],
    card: Card,
    ratio: Fraction,
    *,
    device: str = "cpu",
    lanes: int = 1,
    tta: str = "none",
) -> Backend:
    """A backend for a network in memory that gives class indices (not values)."""
    side = int(card.patch / ratio)
    wrapped = Wrapped([network], [card.output == "probabilities"], [card.temperature], side, ratio, tta).eval()
    normalise = Normalise(np.array(card.mean, np.float32), np.array(card.std, np.float32))
    indices = tuple(range(len(card.classes)))
    where = pick_device(device)
    conversion = Conversion(normalise, indices, card.temperature, card.name)
    if where.startswith("cuda"):
        return DeviceBackend(wrapped, conversion, device=where, precision="bf16", batch=4)
    shape = (1, len(card.bands), side, side)
    return CpuBackend(ENGINES["torch"](wrapped, shape, "f32", lanes), conversion, lanes=lanes)


def predict_region(
    read: Read,
    region: Window,
    lattice: Lattice,
    backend: Backend,
    take: Callable[[Window, npt.NDArray[np.uint8], npt.NDArray[np.uint8]], None],
) -> None:
    """Hand over class indices and confidence (H, W) of full-width rows of a region, from top to bottom; 255 outside valid data.

    `read` gives image and validity of any window, also beyond the region.
    """

    def sink(rows: Finished) -> None:
        take(Window(region.col_off, rows.row, region.width, len(rows.classes)), rows.classes, rows.confidence)

    stream_panel(read, lambda window: None, lattice, region, backend, sink)
