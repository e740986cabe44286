"""plan.json: the plan of a run, written and read back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rasterio.windows import Window

from geoseg.commit import commit_state, read_json
from geoseg.errors import PlanError
from geoseg.geometry.grid import Grid
from geoseg.geometry.lattice import Lattice
from geoseg.plan import Header, Plan, Quarantined, Sheet

__all__ = ["read_plan", "write_plan"]


FORMAT = 1


def _window_json(window: Window) -> list[int]:
    return [int(window.col_off), int(window.row_off), int(window.width), int(window.height)]


def write_plan(path: Path, plan: Plan) -> None:
    """Commit a plan."""
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
    commit_state(path, value)


def _header(value: dict[str, Any]) -> Header:
    a, b, c, d, e, f = value["transform"]
    rows, cols = value["block"]
    mask_stat = value["mask_stat"] and (value["mask_stat"][0], value["mask_stat"][1])
    plain = {**value, "transform": (a, b, c, d, e, f), "meanings": tuple(value["meanings"]), "block": (rows, cols)}
    plain["mask_stat"] = mask_stat
    return Header(**plain)


def _pair(value: list[int] | None) -> tuple[int, int] | None:
    return None if value is None else (value[0], value[1])


def read_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        PlanError: no plan there, damaged, or of another format.
    """
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
