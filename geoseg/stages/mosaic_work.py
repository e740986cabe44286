"""Parts of `geoseg mosaic` that any process does that sees the run folder: sheets' rasters, and steps of making vectors.

A part is a small task; what it needs it reads from the run folder, once in each process. What it makes is kept until the mosaic is done (`kept_parts`).
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
from geoseg.stages.kept_parts import PARTS, KeptParts, Made, made_files
from geoseg.stages.mosaic_run import MosaicOptions, MosaicRun, load_run, mosaic_key
from geoseg.stages.sector_rasters import Files
from geoseg.stages.sheet_rasters import sheet_rasters
from geoseg.stages.vector_layers import STEPS, District, Wholes, districts, of_one_sector

__all__ = ["RASTER_CACHE", "MakePart", "Part", "at_work", "do_part", "swept"]

RASTER_CACHE = 128 << 20
"""Bytes of GDAL's block cache while outputs are made; its own choice is 5 % of the machine."""


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

    @property
    def name(self) -> str:
        """Of it alone in its mosaic."""
        plain = "" if self.square else "_plain"
        return f"{self.what}_{self.number}_{self.sector[0]}_{self.sector[1]}{plain}"


MakePart = Callable[..., Part]

_known: dict[tuple[str, str, str], tuple[MosaicRun, list[District]]] = {}


@contextmanager
def at_work(r: MosaicRun, key: str, options: MosaicOptions) -> Iterator[MakePart]:
    """Say in the run folder who is at work; gives what makes a part of it (its last fields by name).

    Afterwards parts that still run are nobody's. What was kept goes if nothing was raised.
    """
    attempt = uuid.uuid4().hex
    _say(r, attempt)
    swept(r, None if options.overwrite else key)
    _known.clear()
    plan = digest(r.folder / "plan.json")
    _known[str(r.folder), key, plan] = r, districts(r, options, key)
    part = Part(str(r.folder), key, options, attempt, version(), plan, decoder().patience)
    try:
        yield lambda what, number, **more: replace(part, what=what, number=number, **more)
        swept(r)
    finally:
        with suppress(EnvironmentFault):  # a full disk, say: the next mosaic says so
            _say(r, "")


def _say(r: MosaicRun, attempt: str) -> None:
    commit_json(folder(r.folder / "locks") / "mosaic.json", {"attempt": attempt})


def swept(r: MosaicRun, key: str | None = None) -> None:
    """Remove what mosaics have kept, but for that of one key; what cannot go now goes the next time."""
    kept = KeptParts(r.folder, key).folder if key else None
    for place in (r.folder / PARTS).glob("*"):
        if place != kept:
            shutil.rmtree(place, ignore_errors=True)
    with suppress(OSError):  # it is not empty, or there is none
        (r.folder / PARTS).rmdir()


def do_part(part: Part) -> Any:
    """Names of files that were written, or what a step gives; an error of geoseg's is a result, as trying again would not help."""
    try:
        decoder().patience = part.read_timeout
        with rasterio.Env(GDAL_CACHEMAX=RASTER_CACHE):
            r, found = _run_of(part)
            if part.what == "trace":  # quickly done
                return traced(r, part.number)
            kept = KeptParts(r.folder, part.key, lambda: _check(part))
            return kept.once(part.name, lambda: _made(part, r, found, kept))
    except GeosegError as error:
        return error


def _made(part: Part, r: MosaicRun, found: list[District], kept: KeptParts) -> Made:
    if part.what == "sheet":
        return made_files(r.folder, sheet_rasters(r, [part.number], kept.check))
    district = found[part.number]
    if part.what == "district":
        return of_one_sector(district, square=part.square), []
    assert part.what in STEPS, part.what
    rasters = Files(kept.folder, kept.check, f"_{part.number}")
    if part.what == "layers":
        return district.layers(rasters, part.sector, part.whole_of, square=part.square), []
    return getattr(district, part.what)(rasters, part.sector), rasters.written


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
