"""Parts of `geoseg mosaic` that any process does that sees the run folder: sheets' rasters, and steps of making vectors.

A part is a small task; what it needs it reads from the run folder, once in each process.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import rasterio

from geoseg.errors import EnvironmentFault, GeosegError, PlanError
from geoseg.geometry.sectors import Sector
from geoseg.io.commit import commit_json, digest, folder, read_json
from geoseg.io.decoder import decoder
from geoseg.stages.exact_layers import traced
from geoseg.stages.job import version
from geoseg.stages.mosaic_run import MosaicOptions, MosaicRun, load_run, mosaic_key
from geoseg.stages.sector_rasters import Files
from geoseg.stages.sheet_rasters import sheet_rasters
from geoseg.stages.vector_layers import STEPS, District, Wholes, districts, of_one_sector

__all__ = ["RASTER_CACHE", "Part", "begin", "do_part", "end"]

RASTER_CACHE = 128 << 20
"""Bytes of GDAL's block cache while outputs are made; its own choice is 5 % of the machine."""

SECTORS = "sectors"
"""Folder of the run for what steps leave for each other."""


@dataclass(frozen=True)
class Part:
    """`what`: rasters of a sheet, exact outlines of a block, all steps of a district, or one step of a sector of it; `number`: of the sheet, block or district.

    `attempt` names the mosaic that asks for it.
    """

    run: str
    key: str
    options: MosaicOptions
    attempt: str
    version: str
    plan: str
    read_timeout: float
    what: str = ""
    number: int = 0
    sector: Sector = (0, 0)
    whole_of: Wholes = field(default=({}, {}))
    square: bool = True


_known: dict[tuple[str, str, str], tuple[MosaicRun, list[District]]] = {}


def _at_work(r: MosaicRun, attempt: str) -> None:
    commit_json(folder(r.folder / "locks") / "mosaic.json", {"attempt": attempt})


def begin(r: MosaicRun, key: str, options: MosaicOptions) -> Callable[..., Part]:
    """Say in the run folder who is at work; returns what makes a part of it (its last fields by name)."""
    attempt = uuid.uuid4().hex
    _at_work(r, attempt)
    _swept(r)
    _known.clear()
    plan = digest(r.folder / "plan.json")
    _known[str(r.folder), key, plan] = r, districts(r, options, key)
    part = Part(str(r.folder), key, options, attempt, version(), plan, decoder().patience)
    return lambda what, number, **more: replace(part, what=what, number=number, **more)


def end(r: MosaicRun) -> None:
    """Parts that still run are nobody's from now on; what steps have left for each other goes."""
    _swept(r)
    with suppress(EnvironmentFault):  # a full disk, say: the next mosaic says so
        _at_work(r, "")


def _swept(r: MosaicRun) -> None:
    """Also what a mosaic that was killed has left; what cannot go now goes the next time."""
    shutil.rmtree(r.folder / SECTORS, ignore_errors=True)


def do_part(part: Part) -> Any:
    """Names of files that were written, or what a step gives; an error of geoseg's is a result, as trying again would not help."""
    try:
        decoder().patience = part.read_timeout
        with rasterio.Env(GDAL_CACHEMAX=RASTER_CACHE):
            r, found = _run_of(part)
            if part.what == "sheet":
                return [str(p) for p in sheet_rasters(r, [part.number], lambda: _check(part))]
            if part.what == "trace":
                return traced(r, part.number)
            return _step(part, found[part.number])
    except GeosegError as error:
        return error


def _step(part: Part, district: District) -> Any:
    if part.what == "district":
        return of_one_sector(district, square=part.square)
    assert part.what in STEPS, part.what
    kept = Files(Path(part.run) / SECTORS / part.attempt, lambda: _check(part))
    if part.what == "layers":
        return district.layers(kept, part.sector, part.whole_of, square=part.square)
    return getattr(district, part.what)(kept, part.sector)


def _run_of(part: Part) -> tuple[MosaicRun, list[District]]:
    """What `load_run` gives, and its districts, once in each process.

    Raises:
        EnvironmentFault: this process runs another geoseg. PlanError: the run is not what it was when the mosaic began.
    """
    if part.version != version():
        what = f"runs geoseg {version()}, the mosaic was begun with {part.version}"
        raise EnvironmentFault("this worker", what, "install the same on all")
    _check(part)
    known = _known.get((part.run, part.key, part.plan))
    if known is not None:
        return known
    r = load_run(Path(part.run), part.options)
    if mosaic_key(r, part.options) != part.key:
        raise PlanError(part.run, "has changed since this mosaic began", "run the same command again")
    _known.clear()
    _known[part.run, part.key, part.plan] = found = r, districts(r, part.options, part.key)
    return found


def _check(part: Part) -> None:
    """What was cancelled may still run: it must not write over what a newer mosaic has made."""
    if read_json(Path(part.run) / "locks" / "mosaic.json").get("attempt") != part.attempt:
        raise PlanError(part.run, "another mosaic has begun meanwhile", "run the same command again")
