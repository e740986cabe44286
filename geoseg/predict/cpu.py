"""The CPU backend: lanes of one thread each."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from geoseg.arrays import Floats
from geoseg.geometry.lattice import Lattice
from geoseg.models.facts import Conversion
from geoseg.predict.backend import Rows
from geoseg.predict.blend import Strip, blend_weights, cut
from geoseg.predict.engines import Score

__all__ = ["CpuBackend"]


class CpuBackend:
    """Lanes of one thread each; each lane cuts and scores a batch by itself."""

    def __init__(self, score: Score, conversion: Conversion, *, batch: int = 1, lanes: int = 1) -> None:
        self.score, self.batch, self.depth = score, batch, lanes + 1
        self.scale = conversion.normalise.mean, (1 / conversion.normalise.std).astype(np.float32)
        self.values, self.temperature = conversion.values, conversion.temperature
        self.own = threading.local()
        self.pool = ThreadPoolExecutor(lanes, thread_name_prefix="lane")

    def strip(self, lattice: Lattice, width: int) -> Strip:
        """An empty strip for a panel of so many columns."""
        return Strip(self.values, blend_weights(lattice), lattice.margin, width, self.temperature)

    def load(self, rows: Rows, side: int) -> Rows:
        """The rows as they are."""
        return rows

    def submit(self, rows: Rows, cols: list[int], side: int) -> Future[Floats]:
        """Scores (n, K, P, P) of the patches that start at these columns of the rows."""
        return self.pool.submit(self._batch, rows, cols, side)

    def _batch(self, rows: Rows, cols: list[int], side: int) -> Floats:
        """Cut and score one batch, in a lane."""
        shape = (self.batch, len(rows.image), side, side)  # a short batch is filled up: engines compile for one shape
        if getattr(self.own, "shape", None) != shape:
            self.own.shape, self.own.patches = shape, np.zeros(shape, np.float32)
        patches = self.own.patches  # one array for each lane: fresh pages cost more than filling them
        patches[len(cols) :] = 0
        for patch, col in zip(patches, cols, strict=False):
            cut(rows.image, rows.valid, (rows.top, col), self.scale, patch)
        return self.score(patches)[: len(cols)]

    def close(self) -> None:
        """Stop the lanes."""
        self.pool.shutdown(cancel_futures=True)
