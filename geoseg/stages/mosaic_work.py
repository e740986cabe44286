"""Parts of `geoseg mosaic` that any process does that sees the run folder: sheets' rasters, and districts' layers.

A part is a small task; what it needs it reads from the run folder, once in each process.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio

from geoseg.errors import EnvironmentFault, GeosegError, PlanError
from geoseg.io.commit import commit_json, digest, folder, read_json
from geoseg.io.decoder import decoder
from geoseg.stages.job import version
from geoseg.stages.mosaic_run import MosaicOptions, MosaicRun, load_run, mosaic_key
from geoseg.stages.sheet_rasters import sheet_rasters
from geoseg.stages.vector_layers import district_layers

__all__ = ["RASTER_CACHE", "Part", "begin", "do_part"]

RASTER_CACHE = 128 << 20
"""Bytes of GDAL's block cache while outputs are made; its own choice is 5 % of the machine."""


@dataclass(frozen=True)
class Part:
    """Sheets (by number) whose rasters are to be written, or that make a district; `attempt` names the mosaic that asks for it."""

    run: str
    key: str
    options: MosaicOptions
    attempt: str
    version: str
    plan: str
    read_timeout: float
    what: str
    sheets: tuple[int, ...]


_known: dict[tuple[str, str, str], MosaicRun] = {}


def begin(r: MosaicRun, key: str, options: MosaicOptions) -> Callable[[str, tuple[int, ...]], Part]:
    """Say in the run folder who is at work; returns what makes a part of it."""
    attempt = uuid.uuid4().hex
    commit_json(folder(r.folder / "locks") / "mosaic.json", {"attempt": attempt})
    _known.clear()
    plan = digest(r.folder / "plan.json")
    _known[str(r.folder), key, plan] = r
    facts = (str(r.folder), key, options, attempt, version(), plan, decoder().patience)
    return lambda what, sheets: Part(*facts, what, sheets)


def do_part(part: Part) -> Any:
    """Names of files that were written, or a district's layers; an error of geoseg's is a result, as trying again would not help."""
    try:
        decoder().patience = part.read_timeout
        with rasterio.Env(GDAL_CACHEMAX=RASTER_CACHE):
            r = _run_of(part)
            if part.what == "sheets":
                return [str(p) for p in sheet_rasters(r, part.sheets, lambda: _check(part))]
            return district_layers(r, part.key, part.options, part.sheets)
    except GeosegError as error:
        return error


def _run_of(part: Part) -> MosaicRun:
    """What `load_run` gives, once in each process.

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
    _known[part.run, part.key, part.plan] = r
    return r


def _check(part: Part) -> None:
    """What was cancelled may still run: it must not write over what a newer mosaic has made."""
    if read_json(Path(part.run) / "locks" / "mosaic.json").get("attempt") != part.attempt:
        raise PlanError(part.run, "another mosaic has begun meanwhile", "run the same command again")
