"""A run folder: every path in it is spelt here, and every file of it is read once until it changes.

plan.json  patches.gpkg  patches/  infer.json  engine.json  contents.json  blocks/  locks/  parts/  out/  run.json  stamp.json
"""

from __future__ import annotations

import html
import os
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.classes import ClassTable
from geoseg.commit import read_json
from geoseg.errors import PlanError
from geoseg.plan import Plan
from geoseg.runfolder.job import Job, job_of
from geoseg.runfolder.lease import lease
from geoseg.runfolder.plan_file import read_plan, write_plan

if TYPE_CHECKING:
    import geopandas

    from geoseg.runfolder.state import State

__all__ = ["Run"]

Mark = tuple[int, int, int]
"""Size, time of change and number of a file: another file under the same name has another one."""


@dataclass(frozen=True)
class Run:
    """A run folder. It holds nothing but its path: what it gives is always what lies there now.

    Example:
        >>> run = Run(Path("run"))
        >>> run.plan_json.name
        'plan.json'
    """

    folder: Path

    @classmethod
    def of(cls, run: Run | str | os.PathLike[str]) -> Run:
        """A run, or the folder of one."""
        return run if isinstance(run, Run) else cls(Path(run))

    # --- where things lie

    @property
    def plan_json(self) -> Path:
        """What `tile` found and decided."""
        return self.folder / "plan.json"

    @property
    def patches_gpkg(self) -> Path:
        """The plan as a drawing."""
        return self.folder / "patches.gpkg"

    @property
    def patches(self) -> Path:
        """Patches as GeoTIFFs, where they were asked for."""
        return self.folder / "patches"

    @property
    def infer_json(self) -> Path:
        """What `infer` decided: the job."""
        return self.folder / "infer.json"

    @property
    def engine_json(self) -> Path:
        """The engine that was chosen, and for which question."""
        return self.folder / "engine.json"

    @property
    def contents_json(self) -> Path:
        """Hashes of the sheets' bytes."""
        return self.folder / "contents.json"

    @property
    def blocks(self) -> Path:
        """Blocks and their records."""
        return self.folder / "blocks"

    @property
    def locks(self) -> Path:
        """Locks, and what may go without loss."""
        return self.folder / "locks"

    @property
    def parts(self) -> Path:
        """What an unfinished mosaic has made so far."""
        return self.folder / "parts"

    @property
    def out(self) -> Path:
        """What GIS users open."""
        return self.folder / "out"

    @property
    def latest(self) -> Path:
        """The link to the night that readers see."""
        return self.out / "latest"

    @property
    def run_json(self) -> Path:
        """What a finished mosaic has made; written last."""
        return self.folder / "run.json"

    @property
    def stamp_json(self) -> Path:
        """What the last night was asked, and its answer."""
        return self.folder / "stamp.json"

    @property
    def ledger_json(self) -> Path:
        """A copy of all records, for a quick look."""
        return self.locks / "ledger.json"

    @property
    def mosaic_json(self) -> Path:
        """Which mosaic is at work."""
        return self.locks / "mosaic.json"

    @property
    def feature_files(self) -> list[Path]:
        """GeoPackages of features; not those of exact outlines, nor any that is being written, or was when its process was killed."""
        found = sorted(self.out.glob("*.gpkg"))
        return [p for p in found if not p.stem.endswith("_exact") and not p.name.startswith(".")]

    # --- what lies there

    @property
    def plan(self) -> Plan:
        """The plan.

        Raises:
            PlanError: there is none, or it is damaged.
        """
        return _plan(self.plan_json, _mark(self.plan_json))

    def plan_or_none(self) -> Plan | None:
        """The plan; None where `tile` has not run yet."""
        return self.plan if self.plan_json.exists() else None

    def save(self, plan: Plan) -> None:
        """Commit another plan."""
        write_plan(self.plan_json, plan)

    @property
    def job(self) -> Job:
        """What decides the pixels, as `infer` left it.

        Raises:
            PlanError: `infer` has not begun here.
        """
        return job_of(self._infer)

    @property
    def table(self) -> ClassTable:
        """Classes of the network."""
        return ClassTable.from_json(self._infer["classes"])

    @property
    def models(self) -> list[dict[str, Any]]:
        """Path, hashes and cards of the networks."""
        return list(self._infer["models"])

    @property
    def _infer(self) -> dict[str, Any]:
        return _json(self.infer_json, _mark(self.infer_json))

    @property
    def finished(self) -> dict[str, Any]:
        """run.json.

        Raises:
            PlanError: no mosaic has finished here.
        """
        return dict(read_json(self.run_json))

    def lock(self, name: str = "plan", *, patience: float = 0.0) -> AbstractContextManager[None]:
        """Hold a lock of the run for a `with` block; see `lease`."""
        return lease(self.locks, name, patience=patience)

    # --- for notebooks and programs

    @property
    def classes(self) -> Path:
        """The class raster, a COG."""
        return self._output("_classes.tif")

    @property
    def confidence(self) -> Path:
        """The confidence raster, a COG."""
        return self._output("_confidence.tif")

    @property
    def areas(self) -> dict[str, float]:
        """Square metres on the ground by class."""
        return dict(self.finished["areas_m2"])

    def layer(self, name: str) -> geopandas.GeoDataFrame:
        """One layer of features: landcover, buildings, roads, road_centrelines, trees, tree_points or cars.

        Raises:
            PlanError: the run has no such layer; names those that it has.
        """
        import geopandas
        import pyogrio

        for path in self.feature_files[:1]:
            names = [str(n) for n, _ in pyogrio.list_layers(path) if n != "layer_styles"]
            if name in names:
                frame: geopandas.GeoDataFrame = geopandas.read_file(path, layer=name)
                return frame
            raise PlanError(path, f"has no layer {name!r}", f"it has {', '.join(names)}")
        raise PlanError(self.folder, "has no feature layers", "run geoseg mosaic first, without --no-vectors")

    def state(self) -> State:
        """Which blocks there are, and which of them are up to date."""
        from geoseg.runfolder.state import state_of  # it knows runs

        try:
            return state_of(self, self.plan, self.job)
        except PlanError:
            return state_of(self, self.plan, None)

    def _output(self, end: str) -> Path:
        """A finished raster of the whole."""
        for name in self.finished["files"]:
            if name.endswith(end) and Path(name).parent == Path(self.out.name):
                return self.folder / str(name)
        raise PlanError(self.run_json, f"names no output that ends with {end}", f"run geoseg mosaic {self.folder}")

    def _repr_html_(self) -> str:
        """The run in a notebook: picture, areas, files."""
        head = f"<b>geoseg run</b> {html.escape(str(self.folder))}"
        if not self.run_json.exists():
            return f"<p>{head}: not finished</p>"
        rows = "".join(f"<tr><td>{html.escape(n)}</td><td>{a:,.0f} m²</td></tr>" for n, a in self.areas.items())
        files = ", ".join(html.escape(Path(f).name) for f in self.finished["files"] if f.count("/") == 1)
        return f"<p>{head}</p>{self._picture()}<table>{rows}</table><p>{files}</p>"

    def _picture(self) -> str:
        """The first picture of the report, as it stands there; "" where there is no report."""
        report = self.out / "report.html"
        found = re.search(r'<img[^>]*src="(data:image/[^"]+)"', report.read_text()) if report.exists() else None
        return f'<img src="{found.group(1)}" style="max-width:100%">' if found else ""


def _mark(path: Path) -> Mark | None:
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns, facts.st_ino


@lru_cache(maxsize=16)
def _plan(path: Path, mark: Mark | None) -> Plan:
    return read_plan(path)


@lru_cache(maxsize=16)
def _json(path: Path, mark: Mark | None) -> dict[str, Any]:
    return dict(read_json(path))
