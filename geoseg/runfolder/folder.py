"""A run folder: what lies in it, each file read once until it changes. Its paths are in `paths`."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.arrays import Json
from geoseg.classes import ClassTable
from geoseg.commit import read_json
from geoseg.errors import PlanError, UsageError
from geoseg.plan import Plan
from geoseg.runfolder.job import Job, job_from_json
from geoseg.runfolder.lease import lease
from geoseg.runfolder.paths import NIGHT_JSON, RunPaths, without_exact
from geoseg.runfolder.plan_file import read_plan, write_plan

if TYPE_CHECKING:
    import geopandas

    from geoseg.runfolder.state import State

__all__ = ["NIGHT_JSON", "Run"]

Mark = tuple[int, int, int]
"""Size, time of change and number of a file; another file of the same name has another mark."""


@dataclass(frozen=True)
class Run(RunPaths):
    """A run folder. The value holds nothing but the path; what its properties give is always what lies there now.

    Example:
        >>> run = Run(Path("run"))
        >>> run.plan_json.name
        'plan.json'
    """

    @classmethod
    def of(cls, run: Run | str | os.PathLike[str]) -> Run:
        """A run from itself or from its folder.

        Raises:
            UsageError: the name of the folder is empty.
        """
        if run == "":
            raise UsageError("run", "is empty", "name the folder of a run")
        return run if isinstance(run, Run) else cls(Path(run))

    @classmethod
    def lies_in(cls, folder: Path) -> bool:
        """Whether a folder is that of a run."""
        return cls(folder).plan_json.is_file()

    # --- contents

    @property
    def plan(self) -> Plan:
        """The plan.

        Raises:
            PlanError: there is none, or it is damaged.
        """
        mark = _mark(self.plan_json)
        if mark is None:
            cure = f"name the folder of a run, or make one: geoseg tile SHEETS -o {self.folder}"
            raise PlanError(self.folder, "is no run folder: it holds no plan.json", cure)
        return _plan(self.plan_json, mark)

    def plan_or_none(self) -> Plan | None:
        """The plan; None where `tile` has not run yet."""
        return self.plan if self.plan_json.exists() else None

    @property
    def identity(self) -> str:
        """Names the run in all revisions of its plan; "" where it has none, or none that can be read."""
        try:
            plan = self.plan_or_none()
        except PlanError:
            return ""
        return plan.identity if plan else ""

    def save(self, plan: Plan) -> None:
        """Commit a plan."""
        write_plan(self.plan_json, plan)

    @property
    def job(self) -> Job:
        """The job: all that decides the pixels besides the sheets, as `infer` left it.

        Raises:
            PlanError: `infer` has not begun here.
        """
        return job_from_json(self._infer)

    @property
    def aux(self) -> tuple[str, ...]:
        """Names of the scores beside the classes that the blocks hold.

        Raises:
            PlanError: `infer` has not begun here.
        """
        return tuple(self._infer.get("aux", ()))

    @property
    def table(self) -> ClassTable:
        """The class table of the network.

        Raises:
            PlanError: `infer` has not begun here.
        """
        return ClassTable.from_json(self._infer["classes"])

    @property
    def models(self) -> list[Json]:
        """Path, hashes and card of each network.

        Raises:
            PlanError: `infer` has not begun here.
        """
        return list(self._infer["models"])

    @property
    def _infer(self) -> Json:
        return _json(self.infer_json, _mark(self.infer_json), f"run geoseg infer {self.folder} first")

    @property
    def finished(self) -> Json:
        """The outputs of the last mosaic, their hashes, areas and checks: run.json.

        Raises:
            PlanError: no mosaic has finished here.
        """
        return dict(read_json(self.run_json, f"run geoseg mosaic {self.folder} first"))

    @property
    def map_key(self) -> str:
        """The key of the last map without the answers that its review knew; a run id is its start.

        Raises:
            PlanError: no mosaic has finished here.
        """
        finished = self.finished
        return str(finished.get("map_key", finished["key"]))

    @property
    def run_id(self) -> str:
        """Names the last map in its features, and in copies of them.

        Raises:
            PlanError: no mosaic has finished here.
        """
        return self.map_key[:12]

    @property
    def feature_file(self) -> Path | None:
        """The GeoPackage of features that the last mosaic made, not copies beside it; None where it made none."""
        try:
            made = without_exact(sorted(self.outputs(".gpkg")))
        except (PlanError, KeyError, TypeError):
            made = self.feature_files
        return next((file for file in made if file.is_file()), None)

    def lock(self, name: str = "plan", *, patience: float = 0.0) -> AbstractContextManager[None]:
        """Hold a lock of the run for a `with` block; see `lease`. A planned run may be looked at read-only."""
        return lease(self.locks, name, patience=patience, look=self.plan_json.exists())

    # --- for notebooks and programs

    @property
    def classes(self) -> Path:
        """The class raster, a COG.

        Raises:
            PlanError: no mosaic has finished here, or it wrote no such raster, or one for each group of sheets.
        """
        return self._output("_classes.tif")

    @property
    def confidence(self) -> Path:
        """The confidence raster, a COG.

        Raises:
            PlanError: no mosaic has finished here, or it wrote no such raster, or one for each group of sheets.
        """
        return self._output("_confidence.tif")

    @property
    def areas(self) -> dict[str, float]:
        """Square metres on the ground by class.

        Raises:
            PlanError: no mosaic has finished here.
        """
        return dict(self.finished["areas_m2"])

    def layer(self, name: str) -> geopandas.GeoDataFrame:
        """One layer of features: landcover, buildings, roads, road_centrelines, trees, tree_points or cars.

        Raises:
            PlanError: the run has no such layer; names those that it has.
        """
        import geopandas
        import pyogrio

        path = self.feature_file
        if path is not None:
            names = [str(n) for n, _ in pyogrio.list_layers(path) if n != "layer_styles"]
            if name in names:
                frame: geopandas.GeoDataFrame = geopandas.read_file(path, layer=name)
                return frame
            raise PlanError(path, f"has no layer {name!r}", f"it has {', '.join(names)}")
        raise PlanError(self.folder, "has no feature layers", f"run geoseg mosaic {self.folder} without --no-vectors")

    def state(self) -> State:
        """The blocks of the plan, and which of them are fresh.

        Raises:
            PlanError: there is no plan.
        """
        from geoseg.runfolder.state import state_of  # not above: that module imports this one

        try:
            return state_of(self, self.plan, self.job)
        except PlanError:
            return state_of(self, self.plan, None)

    def outputs(self, end: str) -> list[Path]:
        """The outputs of the last mosaic whose names end like this; several where sheets lie in groups.

        Raises:
            PlanError: no mosaic has finished here.
        """
        files = self.finished["files"]
        return [self.folder / str(n) for n in files if n.endswith(end) and Path(n).parent == Path(self.out.name)]

    def _output(self, end: str) -> Path:
        """The only output of the last mosaic whose name ends like this."""
        found = self.outputs(end)
        if len(found) == 1:
            return found[0]
        if found:
            what = f"names {len(found)} outputs that end with {end}, one for each group of sheets"
            raise PlanError(self.run_json, what, f"open each of run.outputs({end!r})")
        raise PlanError(
            self.run_json, f"names no output that ends with {end}", f"run geoseg mosaic {self.folder} again"
        )

    def _repr_html_(self) -> str:
        """The run in a notebook: picture, areas, files."""
        from geoseg.runfolder.notebook import run_html  # only notebooks ask for it

        return run_html(self)


def _mark(path: Path) -> Mark | None:
    """The mark of a file; None where there is none."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns, facts.st_ino


@lru_cache(maxsize=16)
def _plan(path: Path, mark: Mark) -> Plan:
    return read_plan(path)


@lru_cache(maxsize=16)
def _json(path: Path, mark: Mark | None, missing: str) -> Json:
    return dict(read_json(path, missing))
