"""The CPU backend: lanes of one thread each."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from geoseg.arrays import Floats
from geoseg.errors import NeverEnds
from geoseg.geometry.lattice import Lattice
from geoseg.models.facts import Conversion
from geoseg.predict.backend import Pending, Rows
from geoseg.predict.blend import Strip, cut
from geoseg.predict.engines import Score
from geoseg.predict.weights import blend_weights

__all__ = ["CpuBackend"]


@dataclass(frozen=True)
class _Watched:
    """Scores that must come within some seconds once their batch is the next."""

    scores: Future[Floats]
    backend: CpuBackend
    patience: float

    def result(self) -> Floats:
        """The scores.

        Raises:
            NeverEnds: they do not come.
        """
        try:
            return self.scores.result(self.patience)
        except TimeoutError as error:
            self.backend.stuck = True
            what = f"has not come back from a batch of patches after {self.patience:.0f} s"
            cure = "its first batch was 50 times faster: on these pixels it may never end, so do not use it"
            raise NeverEnds(self.backend.subject, what, cure) from error


class CpuBackend:
    """Lanes of one thread each; each lane cuts and scores a batch by itself.

    `patience`: seconds that a batch may take, for graphs that may never end; None for any.
    """

    def __init__(
        self, score: Score, conversion: Conversion, *, batch: int = 1, lanes: int = 1, patience: float | None = None
    ) -> None:
        self.score, self.batch, self.depth = score, batch, lanes + 1
        self.scale = conversion.normalise.mean, (1 / conversion.normalise.std).astype(np.float32)
        self.values, self.temperature, self.subject = conversion.values, conversion.temperature, conversion.subject
        self.aux = conversion.aux
        self.patience, self.stuck = patience, False
        self.own = threading.local()
        self.pool = ThreadPoolExecutor(lanes, thread_name_prefix="lane")

    def strip(self, lattice: Lattice, width: int) -> Strip:
        """An empty strip for a panel of so many columns."""
        return Strip(self.values, blend_weights(lattice), lattice.margin, width, self.temperature, self.aux)

    def load(self, rows: Rows, side: int) -> Rows:
        """The rows as they are."""
        return rows

    def submit(self, rows: Rows, cols: list[int], side: int) -> Pending:
        """Scores (n, K, P, P) of the patches that start at these columns of the rows."""
        scores = self.pool.submit(self._batch, rows, cols, side)
        return scores if self.patience is None else _Watched(scores, self, self.patience)

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
        self.pool.shutdown(wait=not self.stuck, cancel_futures=True)
