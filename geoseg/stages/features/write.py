"""The feature layers of a run, written to one GeoPackage in batches; all pieces must fit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import geopandas
import numpy as np
import pandas

from geoseg.geometry.sectors import Sector
from geoseg.gis.geopackage import Layer
from geoseg.stages.features.outline import unclean
from geoseg.stages.features.seams import Seams
from geoseg.stages.features.sector import STEPS, District, Found, Step
from geoseg.vectorize.coverage import cancel_shared
from geoseg.vectorize.join import Frame

__all__ = ["Written", "write_features"]


log = logging.getLogger(__name__)

BATCH = 100_000
"""Features that are written at a time: the file is opened seldom, and little is held in memory."""

Do = Callable[[list[Step]], Iterator[Any]]
"""Does steps, here or on workers, and gives their results in the same order."""


class Sink(Protocol):
    """Takes layers batch by batch; `gis.geopackage.GeoPackage` is one."""

    @property
    def heads(self) -> Mapping[str, Layer]:
        """Each layer as it came first, its features do not count."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """Features of each layer so far."""
        ...

    def add(self, layers: list[Layer]) -> None:
        """Take the features of some layers."""
        ...

    def commit(self) -> None:
        """Keep what was added."""
        ...


New = Callable[[], AbstractContextManager[Sink]]


@dataclass(frozen=True)
class Written:
    """The layers that were written (without features), how many features each has, and figures of the coverage."""

    layers: list[Layer]
    features: dict[str, int]
    checks: dict[str, object]


def _nothing(package: Any) -> None:
    """Add nothing."""


def write_features(
    new: New, found: list[District], do: Do, counts: Mapping[int, int], last: Callable[[Any], None] = _nothing
) -> Written:
    """Write the feature layers of all districts, a batch at a time.

    Args:
        new: opens a sink for the layers; one that is not committed leaves nothing behind.
        found: the districts of a class raster.
        do: does the steps.
        counts: pixels of each class value in the class raster.
        last: adds to the sink that `new` opened what can be made only when all layers are there.

    Raises:
        GeosegError: the land cover has a gap, an overlap or an invalid polygon: nothing of it is written.
    """
    raster, options = found[0].raster, found[0].options
    before = {c.name: counts.get(c.value, 0) for c in raster.table.classes}
    prepared = _prepare(found, do)
    plain: set[int] = set()  # districts whose buildings are not squared
    for _ in range(2 if options.square else 1):
        seams, steps = Seams(), [replace(s, square=s.district not in plain) for s in prepared]
        with new() as package:
            for layers in _batches(_in_order(found, do(steps), seams)):
                package.add(layers)
            if not seams.unfit:
                last(package)
                package.commit()
                figures = seams.figures(raster.plan.gsd, before)
                return Written(list(package.heads.values()), dict(package.counts), figures)
        if options.square:
            log.warning(
                "squared buildings do not fit where sectors of district %s meet; they keep their simplified outlines",
                sorted(seams.unfit),
            )
        plain |= seams.unfit
    raise unclean(seams.figures(raster.plan.gsd, before))


def _prepare(found: list[District], do: Do) -> list[Step]:
    """Do all steps but the last of districts of several sectors; returns the steps that give layers, in their order."""
    several = [(n, d, s) for n, d in enumerate(found) if len(d.sectors.numbers) > 1 for s in d.sectors.numbers]
    frames: dict[int, dict[Sector, tuple[Frame, Frame | None]]] = {}
    for name in STEPS[:-1]:
        if name == "kinds" and not any(d.paved for _, d, _ in several):
            continue
        given = do([Step(name, n, s) for n, _, s in several])
        for (n, _, s), result in zip(several, given, strict=True):
            if name == "codes":
                frames.setdefault(n, {})[s] = result
    wholes = {n: found[n].wholes_of(f) for n, f in frames.items()}
    return [
        Step("layers", n, s, wholes[n][s]) if n in wholes else Step("district", n)
        for n, d in enumerate(found)
        for s in d.sectors.numbers
    ]


def _in_order(found: list[District], results: Iterator[Found], seams: Seams) -> Iterator[list[Layer]]:
    """The layers of each piece; figures of a district are added up when its last one has come."""
    for number, district in enumerate(found):
        checks, edges = [], np.zeros((0, 4), np.int64)
        for piece in islice(results, len(district.sectors.numbers)):
            checks.append(piece.checks)
            # The edges that are left are the front: memory depends on its length.
            edges = cancel_shared([edges, piece.edges])
            yield piece.layers
        seams.add(number, district.sectors, checks, edges)


def _batches(pieces: Iterator[list[Layer]]) -> Iterator[list[Layer]]:
    """Layers with the features of several pieces."""
    waiting: list[list[Layer]] = []
    features = 0
    for layers in pieces:
        waiting.append(layers)
        features += sum(len(layer.frame) for layer in layers)
        if features >= BATCH:
            yield _join(waiting)
            waiting, features = [], 0
    if waiting:
        yield _join(waiting)


def _join(pieces: list[list[Layer]]) -> list[Layer]:
    """Each layer with the features of all pieces."""
    return [replace(parts[0], frame=_concatenate([p.frame for p in parts])) for parts in zip(*pieces, strict=True)]


def _concatenate(frames: list[geopandas.GeoDataFrame]) -> geopandas.GeoDataFrame:
    """Rows of all frames; empty ones are left out, because their columns may have other types."""
    full = [f for f in frames if len(f)]
    return frames[0] if not full else full[0] if len(full) == 1 else pandas.concat(full, ignore_index=True)
