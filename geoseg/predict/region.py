"""Classes and confidence of any readable region, without a run folder: for validation, evaluation and arrays.

Lattice, blending and backend are those of a run, so a validation gets the scores of production.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from types import TracebackType

import numpy as np
import torch
from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.geometry.lattice import Lattice
from geoseg.models.card import Card
from geoseg.models.facts import Conversion, Normalise
from geoseg.predict.backend import Backend
from geoseg.predict.build import default_lanes
from geoseg.predict.cpu import CpuBackend
from geoseg.predict.cuda import DeviceBackend, pick_device
from geoseg.predict.engines import ENGINES
from geoseg.predict.lattice import snapped_ratio
from geoseg.predict.stream import Ends, Finished, Read, stream_panel
from geoseg.predict.wrap import Wrapped

__all__ = ["RegionPredictor", "Take", "predict_region", "region_backend", "region_lattice"]

Take = Callable[[Window, Bytes, Bytes], None]
"""Gets a window as wide as a region, its class indices and its confidence, uint8 (H, W)."""


def region_lattice(card: Card, ratio: Fraction) -> Lattice:
    """The lattice of the card's patches, in source pixels."""
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
    """A backend for a network in memory (B, C, N, N) -> (B, K, N, N); its classes are indices, not values."""
    side = int(card.patch / ratio)
    shares = card.output == "probabilities"
    wrapped = Wrapped([network], [shares], [card.temperature], side, ratio, tta, len(card.classes), [card.aux]).eval()
    normalise = Normalise(np.array(card.mean, np.float32), np.array(card.std, np.float32))
    indices = tuple(range(len(card.classes)))
    where = pick_device(device)
    conversion = Conversion(normalise, indices, card.temperature, card.name, len(card.aux))
    if where.startswith("cuda"):
        return DeviceBackend(wrapped, conversion, device=where, precision="bf16", batch=4)
    shape = (1, len(card.bands), side, side)
    return CpuBackend(ENGINES["torch"](wrapped, shape, "f32", lanes), conversion, lanes=lanes)


def predict_region(
    read: Read,
    region: Window,
    lattice: Lattice,
    backend: Backend,
    take: Take,
) -> None:
    """Classify a region, and hand over its rows from top to bottom.

    Args:
        read: window -> image (C, H, W) and validity (H, W); beyond the region nothing is valid.
        region: the pixels that are asked for, and the only ones that may be valid.
        lattice: all patches.
        backend: scores and blends.
        take: gets a window as wide as the region, its class indices and its confidence (H, W), 255 where not valid.
    """

    def sink(rows: Finished) -> None:
        take(Window(region.col_off, rows.row, region.width, len(rows.classes)), rows.classes, rows.confidence)

    stream_panel(Ends(read, sink, lambda _: [region]), lattice, region, backend)


class RegionPredictor:
    """A network in memory that predicts regions of any pixel size; keeps one backend for each ratio of pixel sizes.

    A context manager: it ends its backends, and gives torch back its number of threads (a lane counts as one thread).
    """

    def __init__(
        self, network: Callable[[torch.Tensor], torch.Tensor], card: Card, *, device: str = "cpu", tta: str = "none"
    ) -> None:
        self.network, self.card, self.device, self.tta = network, card, device, tta
        self.backends: dict[Fraction, Backend] = {}

    def __enter__(self) -> RegionPredictor:
        self.threads = torch.get_num_threads()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for backend in self.backends.values():
            backend.close()
        torch.set_num_threads(self.threads)

    def predict(self, read: Read, region: Window, gsd: float, take: Take) -> None:
        """Predict a region with pixels of `gsd` metres, from top to bottom; see `predict_region`."""
        ratio = snapped_ratio(gsd, self.card)
        if ratio not in self.backends:
            lanes = default_lanes()
            self.backends[ratio] = region_backend(
                self.network, self.card, ratio, device=self.device, lanes=lanes, tta=self.tta
            )
        predict_region(read, region, region_lattice(self.card, ratio), self.backends[ratio], take)
