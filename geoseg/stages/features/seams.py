"""The vectors of a run, put together: all districts' and sectors' layers go into one GeoPackage, a batch at a time, and must fit.

parts (here or on workers) -> layers in order -> GeoPackage -> do all pieces fit? -> project, other formats
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas
import pyogrio

from geoseg.classes import ClassTable
from geoseg.geometry.sectors import Sectors
from geoseg.gis.geopackage import Layer, write_in_batches
from geoseg.gis.vector_formats import write_layers
from geoseg.stages.features.piece import unclean
from geoseg.stages.features.sector import STEPS, District, Found, districts
from geoseg.stages.features.whole import MosaicOptions, MosaicRun
from geoseg.stages.mosaic.catalogue import write_project
from geoseg.stages.mosaic.parts import Part
from geoseg.vectorize.coverage import cancelled, fit_within

__all__ = ["Seams", "write_vectors"]

log = logging.getLogger(__name__)

BATCH = 100_000
"""Features that are written at a time: fewer opening and closing of the file, little to hold."""

MakePart = Callable[..., Part]
Work = Callable[[list[Part]], Iterator[Any]]


class _Unfit(Exception):
    """Pieces do not fit."""


@dataclass
class Seams:
    """Figures of a coverage that is made in pieces; filled as they come. `unfit`: numbers of the districts whose pieces do not fit."""

    polygons: int = 0
    vertices: int = 0
    invalid: int = 0
    matched: bool = True
    gap: float = 0.0
    overlap: float = 0.0
    sectors: int = 0
    districts: int = 0
    pixels: dict[str, float] = field(default_factory=dict)
    unfit: set[int] = field(default_factory=set)

    def add(self, number: int, sectors: Sectors, found: list[dict[str, Any]], edges: npt.NDArray[np.int64]) -> None:
        """The pieces of one district: what they hold must be as large as their cores, and what they do not share must be the frame."""
        self.districts += 1
        self.sectors += len(found)
        area = sum(c["area"] for c in found)
        missing = sectors.pixels() - area
        small = 1e-6 + 1e-10 * area  # areas are multiples of 1/8192 and add up exactly, up to 1e12 pixels
        self.gap += missing if missing > small else 0.0
        self.overlap -= missing if missing < -small else 0.0
        matched = all(c["matched"] for c in found) and fit_within([edges], sectors.frame())
        self.matched &= matched
        if not matched or abs(missing) > small:
            self.unfit.add(number)
        for key in ("polygons", "vertices", "invalid"):
            setattr(self, key, getattr(self, key) + sum(c[key] for c in found))
        for c in found:
            for name, pixels in c["pixels"].items():
                self.pixels[name] = self.pixels.get(name, 0.0) + pixels

    def figures(self, gsd: float, before: Mapping[str, int]) -> dict[str, Any]:
        """For run.json: square metres, and the change of each class's area in per cent."""
        change = {n: round(100 * (self.pixels.get(n, 0.0) - b) / b, 2) for n, b in before.items() if b}
        return {
            "polygons": self.polygons,
            "vertices": self.vertices,
            "invalid": self.invalid,
            "gap": round(self.gap * gsd**2, 3),
            "overlap": round(self.overlap * gsd**2, 3),
            "matched": self.matched,
            "area_change_percent": change,
            "districts": self.districts,
            "sectors": self.sectors,
        }


def write_vectors(
    r: MosaicRun,
    options: MosaicOptions,
    key: str,
    part: MakePart,
    work: Work,
    counts: Mapping[int, int],
    features: dict[str, int],
    checks: dict[str, Any],
) -> list[Path]:
    """Write NAME.gpkg, NAME.qgz and other formats; fills in the numbers of features and the checks of the coverage.

    Args:
        r: the run.
        options: of the mosaic.
        key: of the mosaic.
        part: makes a part to be done (`mosaic_work.at_work`).
        work: does parts, in order.
        counts: pixels of each class value in the class raster.
        features: filled in, by layer.
        checks: filled in, for run.json.

    Raises:
        GeosegError: the land cover has a gap, an overlap or an invalid polygon: nothing of it is written.
    """
    found = districts(r, options, key)
    path = r.out / f"{r.name}.gpkg"
    before = _by_name(r.table, counts)
    prepared = _prepared(found, part, work)
    plain: set[int] = set()  # districts whose buildings are not squared
    while True:
        seams, heads, numbers = Seams(), dict[str, Layer](), Counter[str]()
        parts = [replace(p, square=p.number not in plain) for p in prepared]

        def fit(seams: Seams = seams) -> None:
            if seams.unfit:
                raise _Unfit

        try:
            write_in_batches(path, _batches(_in_order(found, work(parts), seams), heads, numbers), fit)
            break
        except _Unfit as error:
            if seams.unfit & plain or not options.square:
                raise unclean(seams.figures(r.plan.gsd, before)) from error
            log.warning(
                "squared buildings do not fit where sectors of district %s meet; they keep their simplified outlines",
                sorted(seams.unfit),
            )
            plain |= seams.unfit
    checks |= seams.figures(r.plan.gsd, before)
    features |= numbers
    layers = list(heads.values())
    files = [path]
    for layer in layers if options.formats else []:
        frame = pyogrio.read_dataframe(path, layer=layer.name)
        files += write_layers(path.with_suffix(""), [replace(layer, frame=frame)], options.formats)
    return [*files, *write_project(path.with_suffix(".qgz"), r.name, r.plan, r.extent, layers, r.table)]


def _by_name(table: ClassTable, counts: Mapping[int, int]) -> dict[str, int]:
    return {c.name: counts.get(c.value, 0) for c in table.classes}


def _prepared(found: list[District], part: MakePart, work: Work) -> list[Part]:
    """All steps but the last of districts of several sectors, step by step; returns the parts that give layers, in their order."""
    several = [(n, d, s) for n, d in enumerate(found) if len(d.sectors.numbers) > 1 for s in d.sectors.numbers]
    frames: dict[int, dict[Any, Any]] = {}
    for name in STEPS[:-1]:
        if name == "kinds" and not any(d.paved for _, d, _ in several):
            continue
        results = work([part(name, n, sector=s) for n, _, s in several])
        for (n, _, s), result in zip(several, results, strict=True):
            if name == "codes":
                frames.setdefault(n, {})[s] = result
    wholes = {n: found[n].wholes_of(f) for n, f in frames.items()}
    return [
        part("layers", n, sector=s, whole_of=wholes[n][s]) if n in wholes else part("district", n)
        for n, d in enumerate(found)
        for s in d.sectors.numbers
    ]


def _in_order(found: list[District], results: Iterator[Found], seams: Seams) -> Iterator[list[Layer]]:
    """The layers of each piece; figures of a district are added up when its last one has come."""
    for number, district in enumerate(found):
        checks, edges = [], np.zeros((0, 4), np.int64)
        for piece in islice(results, len(district.sectors.numbers)):
            checks.append(piece.checks)
            edges = cancelled([edges, piece.edges])  # what is left is the front: memory hangs on its length
            yield piece.layers
        seams.add(number, district.sectors, checks, edges)


def _batches(pieces: Iterator[list[Layer]], heads: dict[str, Layer], numbers: Counter[str]) -> Iterator[list[Layer]]:
    """Layers with the features of several pieces; `heads` gets each layer without features, `numbers` how many it has."""
    waiting: list[list[Layer]] = []
    written = 0
    for layers in pieces:
        waiting.append(layers)
        for layer in layers:
            heads.setdefault(layer.name, replace(layer, frame=layer.frame.iloc[:0]))
            numbers[layer.name] += len(layer.frame)
        if numbers.total() - written >= BATCH:
            yield _joined(waiting)
            waiting, written = [], numbers.total()
    if waiting:
        yield _joined(waiting)


def _joined(pieces: list[list[Layer]]) -> list[Layer]:
    return [replace(parts[0], frame=_concatenated([p.frame for p in parts])) for parts in zip(*pieces, strict=True)]


def _concatenated(frames: list[Any]) -> Any:
    """Rows of all frames; empty ones have no types that would count."""
    full = [f for f in frames if len(f)]
    return frames[0] if not full else full[0] if len(full) == 1 else pandas.concat(full, ignore_index=True)
