"""run.json: what a finished mosaic has made, and whether it still holds."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from geoseg.arrays import Json
from geoseg.commit import commit_state, digest
from geoseg.errors import PlanError
from geoseg.runfolder.folder import Run
from geoseg.stages.mosaic.inputs import Inputs
from geoseg.stages.mosaic.work import left_over

__all__ = ["Outputs", "earlier_files", "map_still_finished", "still_finished", "versions", "write_run_json"]


@dataclass
class Outputs:
    """The outputs so far: files, seconds by step, square metres by class, features by layer, coverage."""

    files: list[Path] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    areas: dict[str, float] = field(default_factory=dict)
    features: dict[str, int] = field(default_factory=dict)
    checks: Json = field(default_factory=dict)


def still_finished(run: Run, key: str) -> Json | None:
    """run.json if it belongs to this key and all its files are there at their size."""
    if not run.run_json.exists():
        return None
    try:
        value = run.finished
        sizes = {name: (run.folder / name).stat().st_size for name in value["files"]}
        return value if value["key"] == key and sizes == value["files"] else None
    except (PlanError, ValueError, KeyError, TypeError, OSError):
        return None


def map_still_finished(run: Run, key: str) -> Json | None:
    """run.json if its map belongs to this key, and all files but NAME.gpkg are there at their size."""
    try:
        value, package = run.finished, run.feature_file
        others = {name: size for name, size in value["files"].items() if run.folder / name != package}
        sizes = {name: (run.folder / name).stat().st_size for name in others}
        return value if package is not None and value["map_key"] == key and sizes == others else None
    except (PlanError, ValueError, KeyError, TypeError, OSError):
        return None


def earlier_files(run: Run) -> set[Path]:
    """Files that the last finished mosaic of this run wrote, and what one that was stopped had yet to remove."""
    try:
        names = {*run.finished["files"]}
    except (PlanError, KeyError, TypeError):
        names = set()
    paths, inside = [run.folder / name for name in names | left_over(run)], run.out.resolve()
    return {path for path in paths if path.resolve().is_relative_to(inside)}


def versions() -> dict[str, str]:
    """Versions of what decides results."""
    packages = ("geoseg", "torch", "rasterio", "numpy", "shapely", "geopandas")
    return {"python": platform.python_version(), **{p: metadata.version(p) for p in packages}}


def write_run_json(inputs: Inputs, keys: tuple[str, str], made: Outputs) -> None:
    """Commit run.json: with it the mosaic is finished. `keys`: of the mosaic, and of its map."""
    plan, job, folder = inputs.plan, inputs.job, inputs.run.folder
    value = {
        "key": keys[0],
        "map_key": keys[1],
        "versions": versions(),
        "grid": plan.grid.to_json(),
        "gsd_m": plan.gsd,
        "lattice": job.lattice.to_json(),
        "engine": job.facts.to_json(),
        "models": inputs.models,
        "classes": inputs.table.to_json(),
        "areas_m2": made.areas,
        "features": made.features,
        "coverage": made.checks,
        "sheets": len(plan.sheets),
        "quarantined": [{"path": q.path, "reason": q.reason, "cure": q.cure} for q in plan.quarantined],
        "timings_s": made.timings,
        "blocks": {f"{b[0]}_{b[1]}": record.sha256 for b, record in inputs.records.items()},
        "files": {str(f.relative_to(folder)): f.stat().st_size for f in made.files},
        "sha256": {str(f.relative_to(folder)): digest(f) for f in made.files},
    }
    commit_state(inputs.run.run_json, value)
