"""Procedural scenes as training data: drawn when they are first needed, kept on disk and in memory.

On disk only where a folder is given; in memory as long as they are used.
"""

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
from rasterio.transform import Affine

from geoseg.arrays import Bytes
from geoseg.classes import NODATA
from geoseg.commit import commit_bytes
from geoseg.datasets.shapes import burn_contact
from geoseg.scenes.outlines import TREE, outline
from geoseg.scenes.quarters import random_style
from geoseg.scenes.scene import Scene
from geoseg.spawn import without_main

__all__ = ["DrawnScene", "draw_missing", "scene_contact", "scene_pixels"]


@dataclass(frozen=True)
class DrawnScene:
    """A square scene with sides of `metres` and pixels of `gsd` metres.

    `fine` scenes are drawn at half the pixel size and averaged, like sheets that were resampled; `cache` is the folder
    that keeps their pixels, "" for none. `quarter` is a kind of town, "" for one like Potsdam's.
    """

    seed: int
    metres: float
    gsd: float
    fine: bool = False
    cache: str = ""
    quarter: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        side = round(self.metres / self.gsd)
        return side, side


def _cache_path(scene: DrawnScene) -> Path | None:
    town = f"_{scene.quarter.replace(' ', '_')}" if scene.quarter else ""
    name = f"scene_{scene.seed}_{scene.metres:g}_{scene.gsd:.4f}{'_fine' * scene.fine}{town}.npz"
    return Path(scene.cache) / name if scene.cache else None


def draw_missing(scenes: Sequence[DrawnScene], processes: int, say: Callable[[str], None]) -> None:
    """Draw the scenes that are not on disk yet, in several processes, so that training does not wait for them."""
    missing = [s for s in scenes if (path := _cache_path(s)) is not None and not path.is_file()]
    if not missing:
        return
    say(f"drawing {len(missing)} scenes with {processes} processes")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        with without_main():
            drawn = pool.map(_draw_one, missing)
        for done, _ in enumerate(drawn, 1):
            if done % 10 == 0 or done == len(missing):
                say(f"drew {done} of {len(missing)} scenes")


def _draw_one(scene: DrawnScene) -> None:
    scene_pixels(scene)
    scene_pixels.cache_clear()


@lru_cache(maxsize=48)
def scene_pixels(scene: DrawnScene) -> tuple[Bytes, Bytes]:
    """Image uint8 (4, H, W), red, green, blue, near infrared, and labels uint8 (H, W) in the order of ISPRS."""
    path = _cache_path(scene)
    if path is not None and path.is_file():
        try:
            with np.load(path, allow_pickle=False) as kept:
                return kept["image"], kept["labels"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            path.unlink(missing_ok=True)  # cut short, or not ours: draw it again
    image, labels = _draw(scene)
    if path is not None:
        buffer = io.BytesIO()
        np.savez(buffer, image=image, labels=labels)
        commit_bytes(path, buffer.getbuffer())
    return image, labels


@lru_cache(maxsize=48)
def scene_contact(scene: DrawnScene) -> Bytes:
    """Where buildings meet or nearly meet, uint8 (H, W): 1, 0, or 255 under trees."""
    path = _cache_path(scene)
    path = None if path is None else path.with_name(f"{path.stem}_contact.npy")
    if path is not None and path.is_file():
        try:
            return np.asarray(np.load(path, allow_pickle=False), np.uint8)
        except (OSError, ValueError):
            path.unlink(missing_ok=True)  # cut short, or not ours: burn it again
    layout = _scene(scene).layout
    buildings = np.array([outline(b, layout.frame) for b in layout.buildings], object)
    place = Affine(scene.metres / scene.shape[1], 0, 0, 0, scene.metres / scene.shape[0], 0)
    contact = burn_contact(buildings, place, scene.shape)
    contact[scene_pixels(scene)[1] == TREE] = NODATA
    if path is not None:
        buffer = io.BytesIO()
        np.save(buffer, contact)
        commit_bytes(path, buffer.getbuffer())
    return contact


def _scene(scene: DrawnScene) -> Scene:
    style = random_style(np.random.default_rng([scene.seed, 19]), scene.quarter) if scene.quarter else None
    return Scene(scene.seed, scene.metres, scene.metres, scene.gsd / 2 if scene.fine else scene.gsd, style)


def _draw(scene: DrawnScene) -> tuple[Bytes, Bytes]:
    high, wide = scene.shape
    if not scene.fine:
        tile = _scene(scene).tile(0, 0, high, wide)
        return np.ascontiguousarray(np.moveaxis(tile.image, 2, 0)), tile.labels
    tile = _scene(scene).tile(0, 0, 2 * high, 2 * wide)
    blocks = tile.image.reshape(high, 2, wide, 2, 4).astype(np.float32).mean((1, 3))
    return np.ascontiguousarray(np.moveaxis((blocks + 0.5).astype(np.uint8), 2, 0)), tile.labels[::2, ::2].copy()
