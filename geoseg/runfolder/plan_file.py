"""plan.json: the plan of a run, written and read back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rasterio.windows import Window

from geoseg.arrays import Json
from geoseg.commit import commit_state, read_json
from geoseg.errors import PlanError
from geoseg.geometry.grid import Grid
from geoseg.geometry.lattice import Lattice
from geoseg.plan import Plan, Quarantined, Sheet, header_from_json

__all__ = ["read_plan", "write_plan"]


FORMAT = 1


def write_plan(path: Path, plan: Plan) -> None:
    """Commit a plan.

    Raises:
        EnvironmentFault: the disk refuses it, or is full.
    """
    value: Json = {
        "format": FORMAT,
        "revision": plan.revision,
        "planned": plan.planned,
        "begun": plan.begun,
        "grid": plan.grid.to_json(),
        "gsd": plan.gsd,
        "lattice": plan.lattice.to_json(),
        "asked_lattice": plan.asked_lattice,
        "block": plan.block,
        "bands": list(plan.bands),
        "nodata": [list(pair) for pair in plan.nodata],
        "nodata_rule": plan.nodata_rule,
        "area": plan.area,
        "alpha": plan.alpha,
        "crs_override": plan.crs_override,
        "sheets": [_sheet_json(sheet) for sheet in plan.sheets],
        "quarantined": [asdict(q) for q in plan.quarantined],
    }
    commit_state(path, value)


def read_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        PlanError: there is none, or it is damaged or of another format.
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
            nodata_rule=str(value.get("nodata_rule", "everywhere")),
            masks=str(path.parent / "masks"),
            area=str(value["area"]),
            alpha=str(value.get("alpha", "auto")),
            crs_override=bool(value.get("crs_override", False)),
            revision=int(value["revision"]),
            planned=str(value.get("planned", "")),
            begun=str(value.get("begun", "")),
            sheets=tuple(_sheet(s) for s in value["sheets"]),
            quarantined=tuple(Quarantined(**{**q, "stat": _pair(q.get("stat"))}) for q in value["quarantined"]),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise PlanError(path, f"is damaged ({error!r})", "delete it and run geoseg tile again") from error


def _sheet_json(sheet: Sheet) -> Json:
    w = sheet.window
    window = [int(w.col_off), int(w.row_off), int(w.width), int(w.height)]
    return {**asdict(sheet), "window": window, "header": asdict(sheet.header)}


def _sheet(value: Json) -> Sheet:
    return Sheet(
        path=value["path"],
        stat=(value["stat"][0], value["stat"][1]),
        header=header_from_json(value["header"]),
        crs=value["crs"],
        mode=value["mode"],
        window=Window(*value["window"]),
        blanks=str(value.get("blanks", "")),
        known_as=_pair(value.get("known_as")),
        known_path=value.get("known_path"),
    )


def _pair(value: list[int] | None) -> tuple[int, int] | None:
    return None if value is None else (value[0], value[1])
