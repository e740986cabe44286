"""plan.json: what `geoseg tile` found and decided; every later stage starts from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.commit import commit_state, read_json
from geoseg.errors import PlanError
from geoseg.geometry.grid import Grid, overlap
from geoseg.geometry.lattice import Lattice
from geoseg.sheets.door import Header

__all__ = ["Plan", "Quarantined", "Sheet", "load_plan", "save_plan"]

FORMAT = 1


@dataclass(frozen=True)
class Sheet:
    """One usable sheet. `mode`: "direct" (on the grid), "flipped" (on the grid, south-up) or "warped" (on the fly).

    `window` is its footprint on the grid; `stat` (bytes, change time) tells whether the file was written again; `known_as` is the stat under which the
    same bytes were seen first, where the file was only touched or copied since.
    """

    path: str
    stat: tuple[int, int]
    header: Header
    crs: str
    mode: str
    window: Window
    known_as: tuple[int, int] | None = None

    @property
    def stem(self) -> str:
        """File name without suffix."""
        return Path(self.path).stem

    @cached_property
    def key(self) -> str:
        """Changes when the file, its place or its use changes."""
        w = self.window
        return f"{self.path}|{self.known_as or self.stat}|{self.header.fingerprint}|{self.mode}|{w.col_off},{w.row_off}"


@dataclass(frozen=True)
class Quarantined:
    """A sheet that was left out, why, and what helps; `stat` where only reading its pixels showed that: it stays out until the file changes."""

    path: str
    reason: str
    cure: str
    stat: tuple[int, int] | None = None


@dataclass(frozen=True)
class Plan:
    """Grid, lattice, blocks and sheets of a run.

    `asked_lattice` says that the user gave patch size or overlap; else the model's own are taken. `area` is the area of
    interest as WKT in the grid's CRS, "" for all; `nodata` pairs of (value, tolerance); `bands` 1-based, () for "by meaning". `revision` counts every change;
    `planned` names the last one that `tile` made, and stays when a sheet is set aside later.
    """

    grid: Grid
    gsd: float
    lattice: Lattice
    asked_lattice: bool
    block: int
    sheets: tuple[Sheet, ...]
    quarantined: tuple[Quarantined, ...] = ()
    bands: tuple[int, ...] = ()
    nodata: tuple[tuple[float, float], ...] = ()
    area: str = ""
    revision: int = 1
    planned: str = ""

    @cached_property
    def _index(self) -> shapely.STRtree:
        """Where the sheets lie: a run may have ten thousand, and each block asks for its few."""
        w = np.array(
            [(s.window.col_off, s.window.row_off, s.window.width, s.window.height) for s in self.sheets], float
        )
        w = w.reshape(-1, 4)
        return shapely.STRtree(shapely.box(w[:, 0], w[:, 1], w[:, 0] + w[:, 2], w[:, 1] + w[:, 3]))

    def meeting(self, window: Window) -> list[Sheet]:
        """The sheets that share a pixel with a window, in the plan's order."""
        left, top = window.col_off, window.row_off
        near = self._index.query(shapely.box(left, top, left + window.width, top + window.height))
        return [s for i in sorted(near.tolist()) if overlap((s := self.sheets[i]).window, window)]

    def without(self, path: str, reason: str, cure: str) -> Plan:
        """The next revision, with one sheet moved to quarantine."""
        stat = next((s.stat for s in self.sheets if s.path == path), None)
        return replace(
            self,
            sheets=tuple(s for s in self.sheets if s.path != path),
            quarantined=(*self.quarantined, Quarantined(path, reason, cure, stat)),
            revision=self.revision + 1,
        )


def _window_json(window: Window) -> list[int]:
    return [int(window.col_off), int(window.row_off), int(window.width), int(window.height)]


def save_plan(run: Path, plan: Plan) -> None:
    """Commit plan.json."""
    value: dict[str, Any] = {
        "format": FORMAT,
        "revision": plan.revision,
        "planned": plan.planned,
        "grid": plan.grid.to_json(),
        "gsd": plan.gsd,
        "lattice": plan.lattice.to_json(),
        "asked_lattice": plan.asked_lattice,
        "block": plan.block,
        "bands": list(plan.bands),
        "nodata": [list(pair) for pair in plan.nodata],
        "area": plan.area,
        "sheets": [{**asdict(s), "window": _window_json(s.window), "header": asdict(s.header)} for s in plan.sheets],
        "quarantined": [asdict(q) for q in plan.quarantined],
    }
    commit_state(run / "plan.json", value)


def _header(value: dict[str, Any]) -> Header:
    a, b, c, d, e, f = value["transform"]
    rows, cols = value["block"]
    mask_stat = value["mask_stat"] and (value["mask_stat"][0], value["mask_stat"][1])
    plain = {**value, "transform": (a, b, c, d, e, f), "meanings": tuple(value["meanings"]), "block": (rows, cols)}
    plain["mask_stat"] = mask_stat
    return Header(**plain)


def _pair(value: list[int] | None) -> tuple[int, int] | None:
    return None if value is None else (value[0], value[1])


def load_plan(run: Path) -> Plan:
    """Read plan.json.

    Raises:
        PlanError: no plan there, damaged, or of another format.
    """
    path = run / "plan.json"
    value = read_json(path)
    try:
        if value["format"] != FORMAT:
            raise PlanError(path, f"has format {value['format']}, expected {FORMAT}", "run geoseg tile again")
        return Plan(
            grid=Grid(**value["grid"]),
            gsd=float(value["gsd"]),
            lattice=Lattice(**value["lattice"]),
            asked_lattice=bool(value["asked_lattice"]),
            block=int(value["block"]),
            bands=tuple(value["bands"]),
            nodata=tuple((float(v), float(t)) for v, t in value["nodata"]),
            area=str(value["area"]),
            revision=int(value["revision"]),
            planned=str(value.get("planned", "")),
            sheets=tuple(
                Sheet(
                    path=s["path"],
                    stat=(s["stat"][0], s["stat"][1]),
                    header=_header(s["header"]),
                    crs=s["crs"],
                    mode=s["mode"],
                    window=Window(*s["window"]),
                    known_as=_pair(s.get("known_as")),
                )
                for s in value["sheets"]
            ),
            quarantined=tuple(Quarantined(**{**q, "stat": _pair(q.get("stat"))}) for q in value["quarantined"]),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise PlanError(path, f"is damaged ({error!r})", "delete it and run geoseg tile again") from error
