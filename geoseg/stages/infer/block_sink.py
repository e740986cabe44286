"""Finished rows of a panel, collected into blocks; each is committed as soon as it is whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Mask
from geoseg.geometry.blocks import Block, block_window
from geoseg.geometry.grid import overlap, slices
from geoseg.predict.stream import Finished
from geoseg.runfolder.blocks import BlockPixels, BlockPlace, block_key, write_block
from geoseg.sheets.photo import area_mask

if TYPE_CHECKING:
    from geoseg.stages.infer.panel import PanelContext

__all__ = ["WRITERS", "BlockSink"]


WRITERS = 2
"""Threads that compress and commit blocks: while one waits for the disk, another compresses."""


class BlockSink:
    """Collects finished rows of a panel into blocks and commits each as soon as it is whole."""

    def __init__(self, context: PanelContext, panel: Window, stale: set[Block], writer: ThreadPoolExecutor) -> None:
        self.context, self.plan, self.job = context, context.plan, context.job
        self.panel, self.writer = panel, writer
        size = self.plan.block
        rows = range(panel.row_off // size, -(-(panel.row_off + panel.height) // size))
        cols = range(panel.col_off // size, -(-(panel.col_off + panel.width) // size))
        self.stale = {(r, c) for r in rows for c in cols} & stale
        self.full = len(self.stale) == len(rows) * len(cols)
        self.open: dict[Block, BlockPixels] = {}
        self.pending: list[Future[None]] = []
        self.since = time.monotonic()

    def wanted(self, window: Window) -> Mask | None:
        """Pixels (H, W) in the area of interest and in a stale block; None for all."""
        if self.full and not self.plan.area:
            return None
        mask = area_mask(self.plan.area, self.plan.grid, window)
        if self.full:
            return mask
        inside = np.zeros_like(mask)
        for block in self._meeting(window):
            part = overlap(block_window(block, self.plan.block), window)
            assert part is not None  # `_meeting` gives blocks that meet the window
            inside[slices(part, window)] = True
        return mask & inside

    def _meeting(self, window: Window) -> Iterator[Block]:
        size = self.plan.block
        for row in range(window.row_off // size, (window.row_off + window.height - 1) // size + 1):
            for col in range(window.col_off // size, (window.col_off + window.width - 1) // size + 1):
                if (row, col) in self.stale:
                    yield row, col

    def __call__(self, rows: Finished) -> None:
        """Take finished rows; commit the blocks that end with them."""
        window = Window(self.panel.col_off, rows.row, self.panel.width, rows.classes.shape[0])
        size = self.plan.block
        for block in self._meeting(window):
            part, region = overlap(block_window(block, size), window), self._region(block)
            assert part is not None  # `_meeting` gives blocks that meet the window
            here, there = slices(part, region), slices(part, window)
            pixels = self.open.get(block) or self._new(block)
            pixels.classes[here], pixels.confidence[here] = rows.classes[there], rows.confidence[there]
            for name, aux in zip(self.context.aux, rows.aux, strict=True):
                pixels.beside[name][here] = aux[there]
            if pixels.shares is not None and rows.shares is not None:
                pixels.shares[(slice(None), *here)] = rows.shares[(slice(None), *there)]
            if part.row_off + part.height == region.row_off + region.height:
                self._commit(block)

    def _region(self, block: Block) -> Window:
        """The part of a block that this panel fills; the rest holds no sheet."""
        region = overlap(block_window(block, self.plan.block), self.panel)
        assert region is not None  # `stale` holds blocks of this panel
        return region

    def _new(self, block: Block) -> BlockPixels:
        """Arrays for the region, not filled: every row of the panel arrives."""
        region = self._region(block)
        shape = (region.height, region.width)
        shares = np.empty((len(self.context.names), *shape), np.uint8) if self.job.probabilities else None
        beside = {name: np.empty(shape, np.uint8) for name in self.context.aux}
        self.open[block] = BlockPixels(region, np.empty(shape, np.uint8), np.empty(shape, np.uint8), shares, beside)
        return self.open[block]

    def _commit(self, block: Block) -> None:
        pixels, key, now = self.open.pop(block), block_key(self.plan, self.job, block), time.monotonic()
        seconds, self.since = now - self.since, now
        while len(self.pending) >= WRITERS or (self.pending and self.pending[0].done()):
            self.pending.pop(0).result()  # bounds memory, and raises what went wrong while writing
        self.context.check()
        self.pending.append(self.writer.submit(self._write, block, key, pixels, seconds))

    def _write(self, block: Block, key: str, pixels: BlockPixels, seconds: float) -> None:
        place = BlockPlace(self.context.blocks, self.plan, block)
        write_block(place, key, pixels, list(self.context.names), seconds)

    def close(self) -> None:
        """Wait until every block is on disk."""
        assert not self.open  # the panel ends where its last blocks' regions end
        for future in self.pending:
            future.result()
