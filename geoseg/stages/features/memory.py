"""Feature layers of a class raster in memory: the same pipeline as a run's, without files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pandas
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, ClassTable
from geoseg.errors import UsageError
from geoseg.geometry.grid import Grid, is_nearly_square, overlap, slices
from geoseg.geometry.ground import is_geographic, metres_per_unit
from geoseg.geometry.lattice import Lattice
from geoseg.gis.geopackage import Layer
from geoseg.options import MosaicOptions
from geoseg.plan import Header, Plan, Sheet
from geoseg.stages.features.raster import ClassRaster
from geoseg.stages.features.sector import Step, districts, do_step
from geoseg.stages.features.store import MemoryStore
from geoseg.stages.features.write import write_features

__all__ = ["ArrayReader", "array_raster", "features_of"]


@dataclass(frozen=True)
class ArrayReader:
    """Class and confidence (H, W) of a window that begins at the grid's anchor; 255 around it.

    `contact`: per cent (H, W), where it is known.
    """

    classes: Bytes
    confidence: Bytes
    contact: Bytes | None = None

    def read(self, window: Window) -> tuple[Bytes, Bytes]:
        """As `raster.Reader.read`."""
        return _part(self.classes, window), _part(self.confidence, window)

    def beside(self, window: Window, name: str) -> Bytes:
        """As `raster.Reader.beside`."""
        assert self.contact is not None  # the raster's `aux` names what there is
        return _part(self.contact, window)

    def shares(self, window: Window, count: int) -> Bytes:
        """Refuse: an array has class values and no shares.

        Raises:
            UsageError: always; an array of classes cannot be smoothed.
        """
        raise UsageError("smooth", "needs class shares, an array of classes has none", "leave it out")


def _part(whole: Bytes, window: Window) -> Bytes:
    """A window of an array, 255 around it."""
    out = np.full((int(window.height), int(window.width)), NODATA, np.uint8)
    frame = Window(0, 0, whole.shape[1], whole.shape[0])
    both = overlap(frame, window)
    if both is not None:
        out[slices(both, window)] = whole[slices(both, frame)]
    return out


def array_raster(
    classes: Bytes,
    transform: Affine,
    crs: str,
    table: ClassTable,
    confidence: Bytes | None = None,
    contact: Bytes | None = None,
) -> ClassRaster:
    """A class raster in memory.

    Args:
        classes: values (H, W), 255 without data.
        transform: north-up; its pixels may differ by 1 % in width and height.
        crs: projected; anything that rasterio takes.
        table: what the values mean.
        confidence: per cent (H, W); 100 everywhere where there is none.
        contact: per cent (H, W) at which buildings meet; without it attached houses are one building.

    Raises:
        UsageError: polygons in metres cannot be made in this transform or CRS; the table lacks a value; the arrays
            have other shapes.
    """
    wkt = CRS.from_user_input(crs).to_wkt()
    if transform.b or transform.d or not transform.a > 0 > transform.e or not is_nearly_square(transform):
        raise UsageError(
            "transform",
            f"{tuple(transform)[:6]}, expected north-up pixels as wide as high (within 1 %)",
            "warp it first",
        )
    if is_geographic(wkt):
        raise UsageError("crs", "has degrees as its unit, expected a projected CRS", "warp it first")
    trust = np.full(classes.shape, 100, np.uint8) if confidence is None else confidence
    if classes.ndim != 2 or trust.shape != classes.shape:
        raise UsageError("classes", f"shapes {classes.shape} and {trust.shape}, expected (H, W) twice", "check both")
    unknown = sorted({int(v) for v in np.unique(classes)} - {*table.values, NODATA})
    if unknown:
        raise UsageError("classes", f"holds values {unknown[:5]} that the class table lacks", "give another table")
    grid = Grid(wkt, transform.c, transform.f, transform.a, -transform.e)
    window = Window(0, 0, classes.shape[1], classes.shape[0])
    x, y = transform @ (window.width / 2, window.height / 2)
    plan = Plan(
        grid=grid,
        gsd=grid.side * metres_per_unit(wkt, x, y),
        lattice=Lattice(512, 128),
        asked_lattice=False,
        block=4096,
        sheets=(Sheet("array", (0, 0), _header(classes, wkt, transform), wkt, "direct", window),),
    )
    return ClassRaster(plan, table, ArrayReader(classes, trust, contact), () if contact is None else ("contact",))


def _header(classes: Bytes, wkt: str, transform: Affine) -> Header:
    a, b, c, d, e, f = tuple(transform)[:6]
    return Header(
        width=classes.shape[1],
        height=classes.shape[0],
        bands=1,
        dtype="uint8",
        crs=wkt,
        transform=(a, b, c, d, e, f),
        georeferenced=True,
        nodata=NODATA,
        meanings=("gray",),
        mask="none",
        block=(512, 512),
    )


@dataclass
class _Frames:
    """Takes layers as a GeoPackage does, and keeps them in memory."""

    heads: dict[str, Layer] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    parts: list[list[Layer]] = field(default_factory=list)

    def add(self, layers: list[Layer]) -> None:
        """Keep a batch."""
        self.parts.append(layers)
        for layer in layers:
            self.heads.setdefault(layer.name, layer)
            self.counts[layer.name] = self.counts.get(layer.name, 0) + len(layer.frame)

    def commit(self) -> None:
        """Nothing is written."""

    def whole(self) -> list[Layer]:
        """Each layer with all its features."""
        return [
            replace(parts[0], frame=pandas.concat([p.frame for p in parts], ignore_index=True))
            for parts in zip(*self.parts, strict=True)
        ]


def features_of(raster: ClassRaster, options: MosaicOptions | None = None, run_id: str = "") -> list[Layer]:
    """The feature layers of a class raster.

    Args:
        raster: see `array_raster`.
        options: layers, smallest areas, tolerance; options that concern files have no meaning here.
        run_id: value of the features' column of that name.

    Raises:
        GeosegError: the land cover is no clean coverage.
    """
    found = districts(raster, options or MosaicOptions(), run_id)
    stores = [MemoryStore() for _ in found]
    kept: list[_Frames] = []

    @contextmanager
    def frames() -> Iterator[_Frames]:
        kept.append(_Frames())
        yield kept[-1]

    def do(steps: list[Step]) -> Iterator[object]:
        return (do_step(step, found, stores[step.district]) for step in steps)

    write_features(frames, found, do, {})
    return kept[-1].whole()
