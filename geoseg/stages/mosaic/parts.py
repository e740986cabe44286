"""Parts of `geoseg mosaic` that any process does that sees the run folder: sheets' rasters, and steps of making vectors.

A part is a small task; what it needs it reads from the run folder, once in each process. What it makes is kept until the mosaic is done (`kept_parts`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import rasterio

from geoseg.commit import commit_json, digest, folder, read_json
from geoseg.errors import EnvironmentFault, GeosegError, PlanError
from geoseg.geometry.sectors import Sector
from geoseg.runfolder.job import version
from geoseg.sheets.decoder import decoder
from geoseg.stages.features.rasters import Files
from geoseg.stages.features.sector import STEPS, District, Wholes, districts, of_one_sector
from geoseg.stages.features.whole import MosaicOptions, MosaicRun, load_run, mosaic_key
from geoseg.stages.mosaic.exact import traced
from geoseg.stages.mosaic.rasters import sheet_rasters
from geoseg.work.parts import KeptParts, Made, made_files, name_of, only

__all__ = ["RASTER_CACHE", "Part", "Work", "at_work", "do_part", "left_over"]

RASTER_CACHE = 128 << 20
"""Bytes of GDAL's block cache while outputs are made; its own choice is 5 % of the machine."""


@dataclass(frozen=True)
class Part:
    """`what`: rasters of a sheet, exact outlines of a block, all steps of a district, or one step of a sector of it; `number`: of the sheet, block or district.

    `attempt` names the mosaic that asks for it, `kept` the folder of what it keeps.
    """

    run: str
    key: str
    options: MosaicOptions
    attempt: str
    version: str
    plan: str
    read_timeout: float
    kept: str
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


@dataclass(frozen=True)
class Work:
    """One mosaic at work: `part` makes a part of it (its last fields by name); `kept.check` says whether no other has begun meanwhile."""

    part: Callable[..., Part]
    kept: KeptParts


_known: dict[tuple[str, str, str], tuple[MosaicRun, list[District]]] = {}


@contextmanager
def at_work(r: MosaicRun, key: str, options: MosaicOptions, earlier: Iterable[str] = ()) -> Iterator[Work]:
    """Say in the run folder who is at work. Afterwards parts that still run are nobody's; what was kept goes if nothing was raised.

    `earlier`: files of the run that are to go when the mosaic is done; the next one hears of them (`left_over`) if it is not.
    """
    attempt, left = uuid.uuid4().hex, sorted(earlier)
    _say(r, attempt, left)
    name = name_of(key)
    only(r.folder, "" if options.overwrite else name)
    _known.clear()
    plan = digest(r.folder / "plan.json")
    _known[str(r.folder), key, plan] = r, districts(r, options, key)
    part = Part(str(r.folder), key, options, attempt, version(), plan, decoder().patience, name)
    done = False
    try:
        yield Work(lambda what, number, **more: replace(part, what=what, number=number, **more), _kept(part))
        done = True
    finally:
        with suppress(PlanError, EnvironmentFault):  # another is at work; a full disk, say: the next mosaic says so
            _check(part)
            _say(r, "", () if done else left)
            if done:
                only(r.folder)


def _say(r: MosaicRun, attempt: str, left: Iterable[str]) -> None:
    commit_json(folder(r.folder / "locks") / "mosaic.json", {"attempt": attempt, "left": list(left)})


def left_over(run: Path) -> set[str]:
    """Files of the run that a mosaic which was stopped would have removed."""
    try:
        return {str(name) for name in read_json(run / "locks" / "mosaic.json")["left"]}
    except (PlanError, KeyError, TypeError):
        return set()


def _kept(part: Part) -> KeptParts:
    return KeptParts(Path(part.run), part.kept, lambda: _check(part))


def do_part(part: Part) -> Any:
    """Names of files that were written, or what a step gives; an error of geoseg's is a result, as trying again would not help."""
    try:
        decoder().patience = part.read_timeout
        with rasterio.Env(GDAL_CACHEMAX=RASTER_CACHE):
            r, found = _run_of(part)
            if part.what == "trace":  # quickly done
                return traced(r, part.number)
            kept = _kept(part)
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
