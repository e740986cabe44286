"""How the work is shared out: panels of blocks, and how much there is to do in them."""

from __future__ import annotations

from collections.abc import Iterable

from geoseg.geometry.blocks import Block, Panel, block_window, panels_of
from geoseg.geometry.grid import overlap
from geoseg.plan import Plan, patches_of
from geoseg.runfolder.job import Job

__all__ = ["needed_patches", "pixels_to_do", "share_out"]

FEWEST = 64  # patches that a panel should have where the work is shared out: those at its edges are scored twice
TWICE = 0.07  # share of the patches that may be scored twice so that workers are kept busy


def share_out(plan: Plan, job: Job, stale: list[Block], widest: int, workers: int, needed: int) -> list[Panel]:
    """Up to three panels for each worker, so that all end at about the same time; one where there is one worker.

    As many as leave the patches that are scored twice under `TWICE`, but at least one for each worker.
    """
    for share in (3, 2, 1) if workers > 1 else (1,):
        wished = max(workers, min(share * workers, needed // FEWEST))
        panels = panels_of(stale, plan.block, widest, wished=wished)
        if wished == workers or sum(needed_patches(plan, job, p.blocks) for p in panels) <= (1 + TWICE) * needed:
            break
    return panels


def pixels_to_do(plan: Plan, stale: list[Block] | tuple[Block, ...]) -> int:
    """An upper bound of the pixels to compute, for progress: the sheets' footprints in these blocks."""
    total = 0
    for block in stale:
        window = block_window(block, plan.block)
        parts = [p for s in plan.meeting(window) if (p := overlap(s.window, window))]
        total += min(plan.block**2, sum(p.width * p.height for p in parts))
    return total


def needed_patches(plan: Plan, job: Job, blocks: Iterable[Block]) -> int:
    """Patches that reach a sheet inside these blocks, each counted once (by footprints, not by pixels)."""
    windows = (block_window(b, plan.block) for b in blocks)
    return len(patches_of(plan, job.lattice, (p for w in windows for s in plan.footprint(w) if (p := overlap(s, w)))))
