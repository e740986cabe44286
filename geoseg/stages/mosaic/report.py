"""The report of a finished run: what `report.html` shows, gathered from the plan, the blocks and the outputs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyogrio
from PIL import Image
from rasterio.windows import Window

from geoseg.arrays import Json
from geoseg.commit import commit_bytes
from geoseg.geometry.grid import overlap
from geoseg.geometry.scatter import pictured
from geoseg.gis.report import ReportFacts, report_html
from geoseg.gis.run_picture import run_picture
from geoseg.stages.mosaic.finish import Outputs
from geoseg.stages.mosaic.inputs import Inputs

__all__ = ["write_report"]

ZOOM, SIDE = 420, 420


def write_report(inputs: Inputs, made: Outputs) -> Path:
    """Write report.html; everything it shows is inside it."""
    plan, path = inputs.plan, inputs.run.out / "report.html"
    gpkg = inputs.run.out / f"{inputs.name}.gpkg"
    doubtful = _doubtful(gpkg) if gpkg.is_file() else []
    colours = {c.name: c.hex for c in inputs.table.classes}
    engine = inputs.job.facts
    facts = ReportFacts(
        title=inputs.name,
        pictures=_pictures(inputs, doubtful, gpkg if gpkg.is_file() else None),
        areas=[(n, colours[n], a) for n, a in made.areas.items()],
        features=made.features,
        confidence=_confidence(inputs),
        doubtful=doubtful,
        quarantined=[{"path": q.path, "reason": q.reason, "cure": q.cure} for q in plan.quarantined],
        timings=made.timings,
        rasters=tuple(f"{inputs.name}{ending}_classes.tif" for ending, _ in inputs.rasters),
        models=[{k: str(m.get(k, "")) for k in ("name", "good_for", "not_good_for", "licence")} for m in inputs.models],
        facts={
            "sheets": str(len(plan.sheets)) + _said_groups(inputs),
            "pixel": f"{plan.gsd:.3f} m on the ground",
            "engine": f"{engine.engine} {engine.precision} on {engine.device}",
            "TTA": engine.tta,
        },
    )
    commit_bytes(path, report_html(facts).encode())
    return path


def _said_groups(inputs: Inputs) -> str:
    """The number of groups that have rasters of their own, for the report."""
    groups = len(inputs.rasters)
    return (
        ""
        if groups == 1
        else f" in {groups} groups far from each other, with rasters of their own; the largest is pictured"
    )


def _confidence(inputs: Inputs) -> list[int]:
    """Pixels by per cent of confidence."""
    counts = np.zeros(256, np.int64)
    for block in inputs.blocks:
        counts += np.bincount(inputs.reader.block(block)[1].ravel(), minlength=256)
    return [int(v) for v in counts[:101]]


def _doubtful(gpkg: Path, most: int = 8) -> list[Json]:
    """Land cover that covers most ground for its confidence below 70 percent."""
    if "landcover" not in {str(name) for name, _ in pyogrio.list_layers(gpkg)}:
        return []
    order = f"SELECT * FROM landcover WHERE confidence < 70 ORDER BY area_m2 DESC, id LIMIT {most}"
    low = pyogrio.read_dataframe(gpkg, sql=order)
    centres = low.geometry.representative_point()
    columns = ("id", "class", "area_m2", "confidence")
    return [
        {**{c: row[c] for c in columns}, "x": float(p.x), "y": float(p.y)}
        for (_, row), p in zip(low.iterrows(), centres, strict=True)
    ]


def _pictures(inputs: Inputs, doubtful: list[Json], gpkg: Path | None) -> list[tuple[str, bytes]]:
    """All of it; its middle and its most doubtful place pixel by pixel."""
    run, plan = inputs.run, inputs.plan
    whole = pictured([s.window for s in plan.sheets])
    centre = whole.col_off + whole.width / 2, whole.row_off + whole.height / 2
    pictures = [("photo | classes | features", _png(run_picture(run, SIDE, features=gpkg)))]
    places = [("the middle, pixel by pixel", centre)]
    if doubtful:
        col, row = ~plan.grid.transform @ (doubtful[0]["x"], doubtful[0]["y"])
        places.append(("the largest doubtful place", (col, row)))
    for caption, (col, row) in places:
        window = overlap(Window(int(col) - ZOOM // 2, int(row) - ZOOM // 2, ZOOM, ZOOM), whole)
        if window is not None and (window.width < whole.width or window.height < whole.height):
            pictures.append((caption, _png(run_picture(run, ZOOM, window, gpkg))))
    return pictures


def _png(picture: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
