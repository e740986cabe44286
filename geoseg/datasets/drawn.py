"""Procedural scenes as training data: drawn when first needed, kept on disk if a folder is given and in memory while they are used."""

from __future__ import annotations

import io
import multiprocessing
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from geoseg.arrays import Bytes
from geoseg.commit import commit_bytes
from geoseg.scenes.scene import Scene

__all__ = ["DrawnScene", "draw_missing", "drawn"]


@dataclass(frozen=True)
class DrawnScene:
    """A scene of `metres` a side at `gsd`; `fine` draws it at half the pixel size and averages, as resampled sheets are."""

    seed: int
    metres: float
    gsd: float
    fine: bool = False
    cache: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        side = round(self.metres / self.gsd)
        return side, side


def _kept(scene: DrawnScene) -> Path | None:
    name = f"scene_{scene.seed}_{scene.metres:g}_{scene.gsd:.4f}{'_fine' * scene.fine}.npz"
    return Path(scene.cache) / name if scene.cache else None


def draw_missing(scenes: Sequence[DrawnScene], processes: int, say: Callable[[str], None]) -> None:
    """Draw the scenes that are not kept yet, side by side, so that training does not wait for them."""
    missing = [s for s in scenes if (path := _kept(s)) is not None and not path.is_file()]
    if not missing:
        return
    say(f"drawing {len(missing)} scenes with {processes} processes")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for done, _ in enumerate(pool.map(_draw_one, missing), 1):
            if done % 10 == 0 or done == len(missing):
                say(f"drew {done} of {len(missing)} scenes")


def _draw_one(scene: DrawnScene) -> None:
    drawn(scene)
    drawn.cache_clear()


@lru_cache(maxsize=48)
def drawn(scene: DrawnScene) -> tuple[Bytes, Bytes]:
    """Image (4, H, W) red, green, blue, near infrared, and labels (H, W) in the order of the ISPRS classes."""
    path = (
        Path(scene.cache) / f"scene_{scene.seed}_{scene.metres:g}_{scene.gsd:.4f}{'_fine' * scene.fine}.npz"
        if scene.cache
        else None
    )
    if path is not None and path.is_file():
        try:
            with np.load(path, allow_pickle=False) as kept:
                return kept["image"], kept["labels"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            path.unlink(missing_ok=True)  # cut short or foreign: drawn again
    image, labels = _draw(scene)
    if path is not None:
        buffer = io.BytesIO()
        np.savez(buffer, image=image, labels=labels)
        commit_bytes(path, buffer.getbuffer())
    return image, labels


def _draw(scene: DrawnScene) -> tuple[Bytes, Bytes]:
    high, wide = scene.shape
    if not scene.fine:
        tile = Scene(scene.seed, scene.metres, scene.metres, scene.gsd).tile(0, 0, high, wide)
        return np.ascontiguousarray(np.moveaxis(tile.image, 2, 0)), tile.labels
    tile = Scene(scene.seed, scene.metres, scene.metres, scene.gsd / 2).tile(0, 0, 2 * high, 2 * wide)
    blocks = tile.image.reshape(high, 2, wide, 2, 4).astype(np.float32).mean((1, 3))
    return np.ascontiguousarray(np.moveaxis((blocks + 0.5).astype(np.uint8), 2, 0)), tile.labels[::2, ::2].copy()
