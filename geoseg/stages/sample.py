"""geoseg sample: one procedural scene, cut into overlapping sheets with names as of Potsdam, and exact truth.

seed -> scene -> sheets, labels (ISPRS colours), classes, height -> truth.gpkg
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import shapely
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Image, Mask, Shapes
from geoseg.classes import ISPRS
from geoseg.commit import commit_bytes
from geoseg.errors import UsageError
from geoseg.gis.geopackage import Layer, write_geopackage
from geoseg.gis.styles import fill_qml, road_qml
from geoseg.progress import Moment, Progress, unheard
from geoseg.scenes import noise
from geoseg.scenes.objects import Building, Car, Street, Thing, Tree
from geoseg.scenes.outlines import street_axis
from geoseg.scenes.quarters import random_style
from geoseg.scenes.scene import Scene, Tile

__all__ = ["SampleOptions", "make_sample"]

CRS, ORIGIN = "EPSG:25833", (367_600.0, 5_807_400.0)
"""The place of a scene's upper left corner: UTM 33N, near Potsdam."""

COLOURS = np.array([c.colour for c in ISPRS.classes], np.uint8)


@dataclass(frozen=True)
class SampleOptions:
    """Options of `geoseg sample`.

    `size` (width, height) and `overlap` are pixels of `gsd` metres; `sheets` is (rows, columns); `quarter` is the kind
    of town (suburb without one); `ragged` gives the last sheet an irregular edge of no data; `nir` adds near infrared;
    `height` writes heights too.
    """

    seed: int = 7
    size: tuple[int, int] = (1296, 1296)
    gsd: float = 0.1
    sheets: tuple[int, int] = (2, 2)
    overlap: int = 144
    quarter: str | None = None
    ragged: bool = True
    nir: bool = False
    height: bool = False


def make_sample(out: Path, options: SampleOptions | None = None, progress: Progress = unheard) -> list[Path]:
    """Write sheets, labels, classes and truth polygons into a folder; returns the sheets.

    The same seed gives the same labels and polygons on any machine, and the same image to one grey level.

    Raises:
        UsageError: sizes that leave a sheet without pixels of its own.
    """
    options = options or SampleOptions()
    width, height = options.size
    style = random_style(np.random.default_rng([options.seed, 3]), options.quarter or "suburb")
    scene = Scene(options.seed, width * options.gsd, height * options.gsd, options.gsd, style)
    windows = sheet_windows(options)
    paths = []
    for i, ((row, col), window) in enumerate(windows.items()):
        tile = scene.tile(window.row_off, window.col_off, window.height, window.width)
        last = options.ragged and i == len(windows) - 1
        paths.append(_write_sheet(out, f"top_potsdam_{row + 2}_{col + 10}", tile, window, options, last))
        progress(Moment("sample sheets", done=i + 1, total=len(windows), unit="sheets"))
    _write_truth(out, scene)
    command = f"geoseg sample -o {out.name} --seed {options.seed} --size {width},{height} --gsd {options.gsd:g}"
    command += f" --sheets {options.sheets[0]},{options.sheets[1]} --overlap {options.overlap}"
    facts = {
        "command": command,
        "crs": CRS,
        "classes": ISPRS.to_json(),
        "licence": "CC0-1.0: made by a program, free for any use",
    }
    commit_bytes(out / "sample.json", (json.dumps(facts, indent=1) + "\n").encode())
    return paths


def sheet_windows(options: SampleOptions) -> dict[tuple[int, int], Window]:
    """(row, column) of each sheet -> its window of the scene; neighbours share `overlap` pixels.

    Raises:
        UsageError: the overlap leaves nothing.
    """
    cuts = []
    for length, count in ((options.size[1], options.sheets[0]), (options.size[0], options.sheets[1])):
        side = -(-(length + (count - 1) * options.overlap) // count)
        if side <= options.overlap and count > 1:
            raise UsageError(
                "--overlap",
                f"{options.overlap} px, but the sheets are {side} px",
                "less overlap, fewer sheets or a larger --size",
            )
        starts = [i * (side - options.overlap) for i in range(count)]
        cuts.append([(s, min(side, length - s)) for s in starts])
    return {(r, c): Window(x, y, w, h) for r, (y, h) in enumerate(cuts[0]) for c, (x, w) in enumerate(cuts[1])}


def _ragged_edge(tile: Tile, window: Window, seed: int) -> Mask:
    """True inside an irregular edge at the right and the bottom, as mosaicked orthophotos have."""
    high, wide = tile.labels.shape
    down = noise.fractal(seed + 91, Window(0, 0, 1, high), cell=220, octaves=5)[:, 0]
    across = noise.fractal(seed + 92, Window(0, 0, wide, 1), cell=220, octaves=5)[0]
    right = wide - 0.10 * wide - 0.05 * wide * down - 0.12 * np.arange(high)
    bottom = high - 0.08 * high - 0.04 * high * across
    return np.asarray((np.arange(wide)[None] < right[:, None]) & (np.arange(high)[:, None] < bottom[None]))


def _write_sheet(out: Path, stem: str, tile: Tile, window: Window, options: SampleOptions, ragged: bool) -> Path:
    gsd = options.gsd
    place = Affine(gsd, 0, ORIGIN[0] + window.col_off * gsd, 0, -gsd, ORIGIN[1] - window.row_off * gsd)
    bands = 4 if options.nir else 3
    image = np.moveaxis(tile.image[..., :bands], 2, 0).copy()
    image = np.maximum(image, 1)  # 0 is kept for no data
    colours = np.moveaxis(COLOURS[tile.labels], 2, 0)
    nodata = None
    if ragged:
        image[:, ~_ragged_edge(tile, window, options.seed)] = 0
        nodata = 0
    path = out / "sheets" / f"{stem}_{'RGBIR' if options.nir else 'RGB'}.tif"
    commit_bytes(path, _geotiff(image, place, nodata))
    commit_bytes(out / "labels" / f"{stem}_label.tif", _geotiff(colours, place, None))
    commit_bytes(out / "classes" / f"{stem}_classes.tif", _geotiff(tile.labels[None], place, 255))
    if options.height:
        commit_bytes(out / "height" / f"{stem}_ndsm.tif", _geotiff(tile.height[None], place, None))
    return path


def _geotiff(bands: Image, place: Affine, nodata: float | None) -> bytes:
    profile: dict[str, object] = {
        "driver": "GTiff",
        "count": len(bands),
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype.name,
        "crs": CRS,
        "transform": place,
        "nodata": nodata,
        "compress": "deflate",
        "zlevel": 9,
        "predictor": 2 if bands.dtype.kind == "u" else 3,
        "interleave": "pixel",
        "photometric": "rgb" if len(bands) >= 3 else "minisblack",
    }
    if len(bands) == 4:
        profile["alpha"] = "no"
    if min(bands.shape[1:]) >= 256:
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    with MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(bands)
        return bytes(memory.getbuffer())


def _write_truth(out: Path, scene: Scene) -> None:
    """Write truth.gpkg: the visible land cover, and the whole outlines of buildings, streets, trees and cars."""
    layers = [_landcover(scene)]
    kinds: tuple[tuple[str, type[Thing], tuple[int, int, int]], ...] = (
        ("buildings", Building, (200, 60, 60)),
        ("streets", Street, (120, 120, 120)),
        ("trees", Tree, (40, 140, 60)),
        ("cars", Car, (250, 200, 0)),
    )
    for name, kind, colour in kinds:
        shapes, facts = _outlines(scene, kind)
        frame = geopandas.GeoDataFrame(facts, geometry=_to_world(shapes) if shapes else [], crs=CRS)
        text = f"whole outlines of {name}, also where something stands above them"
        layers.append(Layer(name, frame, fill_qml(colour), text))
    layers.append(_centrelines(scene))
    write_geopackage(out / "truth.gpkg", layers)


def _to_world(shapes: list[shapely.Geometry]) -> Shapes:
    """Shapes of a scene in the coordinates of `CRS`."""
    return np.asarray(
        shapely.transform(
            np.array(shapes, object), lambda xy: np.column_stack([ORIGIN[0] + xy[:, 0], ORIGIN[1] - xy[:, 1]])
        )
    )


def _landcover(scene: Scene) -> Layer:
    """The visible parts of all outlines, without gap or overlap."""
    visible = [
        (v, p) for v, _, s in scene.truth() for p in shapely.get_parts(s) if p.geom_type == "Polygon" and p.area > 0
    ]
    names = {c.value: c.name for c in ISPRS.classes}
    facts = {
        "class": [names[v] for v, _ in visible],
        "class_id": [v for v, _ in visible],
        "area_m2": [round(p.area, 4) for _, p in visible],
    }
    frame = geopandas.GeoDataFrame(facts, geometry=_to_world([p for _, p in visible]), crs=CRS)
    style = fill_qml((255, 255, 255), alpha=0, outline=(230, 0, 120), width=0.3)
    return Layer("landcover", frame, style, "what is visible, without gap or overlap")


def _centrelines(scene: Scene) -> Layer:
    """Centre lines of the streets, cut by the scene's frame."""
    frame = shapely.box(0, 0, scene.width, scene.height)
    axes = [(s.width, street_axis(s, scene.layout.frame).intersection(frame)) for s in scene.layout.streets]
    parts = [(w, p) for w, a in axes for p in shapely.get_parts(a) if p.geom_type == "LineString" and p.length > 0]
    facts = {"width_m": [round(w, 2) for w, _ in parts], "length_m": [round(p.length, 2) for _, p in parts]}
    lines = geopandas.GeoDataFrame(facts, geometry=_to_world([p for _, p in parts]) if parts else [], crs=CRS)
    style = road_qml((250, 225, 130), (120, 90, 30), "width_m")
    return Layer("road_centrelines", lines, style, "centre lines of the streets", "LineString")


def _outlines(scene: Scene, kind: type[Thing]) -> tuple[list[shapely.Geometry], dict[str, list[object]]]:
    """Outlines of all objects of a kind, cut by the scene's frame, and the columns of their table."""
    frame = shapely.box(0, 0, scene.width, scene.height)
    cut = [(o, shapely.intersection(s, frame)) for _, o, s in scene.stack if isinstance(o, kind)]
    found = [(o, s) for o, s in cut if s.geom_type == "Polygon" and s.area > 0]
    facts: dict[str, list[object]] = {"area_m2": [round(s.area, 4) for _, s in found]}
    things = [o for o, _ in found]
    if kind is Car:
        cars = [o for o in things if isinstance(o, Car)]
        facts["length_m"] = [round(o.length, 3) for o in cars]
        facts["width_m"] = [round(o.width, 3) for o in cars]
        facts["heading_deg"] = [round((90 + np.degrees(o.heading)) % 180, 2) for o in cars]
    if kind is Building:
        facts["roof"] = [o.roof for o in things if isinstance(o, Building)]
    return [s for _, s in found], facts
