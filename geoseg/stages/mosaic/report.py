"""The report of a finished run: what `report.html` shows, gathered from the plan, the blocks and the outputs."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyogrio
from PIL import Image
from rasterio.windows import Window

from geoseg.arrays import Json
from geoseg.commit import commit_bytes
from geoseg.geometry.grid import overlap
from geoseg.geometry.ground import crs_name
from geoseg.geometry.scatter import pictured
from geoseg.gis.report import Measured, ReportFacts, report_html
from geoseg.gis.run_picture import pictured_windows, place_picture, run_picture
from geoseg.gis.web_map.mercator import Placement, degrees
from geoseg.layers import tables
from geoseg.stages.mosaic.finish import Outputs, versions
from geoseg.stages.mosaic.inputs import Inputs

__all__ = ["write_report"]

ZOOM, SIDE = 420, 420
SMALL = 200
"""Pixels along the picture of a doubtful place."""


def write_report(inputs: Inputs, made: Outputs, key: str) -> Path:
    """Write report.html; everything it shows is inside it. `key` is that of the mosaic: the run's id is its start."""
    plan, path = inputs.plan, inputs.run.out / "report.html"
    gpkg = inputs.run.out / f"{inputs.name}.gpkg"
    doubtful = _doubtful(inputs, gpkg, key) if gpkg.is_file() else []
    colours = {c.name: c.hex for c in inputs.table.classes}
    engine = inputs.job.facts
    facts = ReportFacts(
        title=inputs.name,
        pictures=_pictures(inputs, doubtful, gpkg if gpkg.is_file() else None),
        areas=[(n, colours[n], a) for n, a in made.areas.items()],
        features=_measured(made.features, gpkg),
        confidence=_confidence(inputs),
        doubtful=doubtful,
        quarantined=[{"path": q.path, "reason": q.reason, "cure": q.cure} for q in plan.quarantined],
        timings=made.timings,
        rasters=tuple(f"{inputs.name}{ending}_classes.tif" for ending, _ in inputs.rasters),
        models=[{k: str(m.get(k, "")) for k in ("name", "good_for", "not_good_for", "licence")} for m in inputs.models],
        facts={
            "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "run": key[:12],
            "geoseg": versions()["geoseg"],
            "CRS": crs_name(plan.grid.crs),
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


def _measured(features: dict[str, int], gpkg: Path) -> list[Measured]:
    """How many, how large and how long the features of each layer are."""
    known = tables()
    found = []
    for name, many in features.items():
        kind = known[name].geometry if name in known else ""
        column = {"Polygon": "area_m2", "LineString": "length_m"}.get(kind)
        whole = None
        if column and many:
            row = pyogrio.read_dataframe(gpkg, sql=f"SELECT SUM({column}) AS whole FROM {name}", read_geometry=False)
            whole = float(row["whole"][0])
        found.append(Measured(name, many, whole if kind == "Polygon" else None, None if kind == "Polygon" else whole))
    return found


def _doubtful(inputs: Inputs, gpkg: Path, key: str, most: int = 8) -> list[Json]:
    """Land cover that covers most ground for its confidence below 70 percent, each with a picture and its place.

    The link of a place names the run of this `key`: a map of another one says so.
    """
    if "landcover" not in {str(name) for name, _ in pyogrio.list_layers(gpkg)}:
        return []
    order = f"SELECT * FROM landcover WHERE confidence < 70 ORDER BY area_m2 DESC, id LIMIT {most}"
    low = pyogrio.read_dataframe(gpkg, sql=order)
    plan = inputs.plan
    placement, windows = Placement.of(plan.grid, plan.extent), pictured_windows(plan.grid, low.geometry)
    zoom = placement.zooms(plan.extent)[1]
    found = []
    for (_, row), window in zip(low.iterrows(), windows, strict=True):
        shape = row[low.geometry.name]
        point = shape.representative_point()
        lon, lat = degrees(*placement.xy(np.array([[point.x, point.y]]))[0])
        closer = zoom + 0.5 - max(0.0, np.log2(int(window.width) / SMALL))
        found.append(
            {
                **{c: row[c] for c in ("id", "class", "area_m2", "confidence")},
                "x": float(point.x),
                "y": float(point.y),
                "picture": _png(place_picture(inputs.run, window, shape, SMALL)),
                "map": f"map.html#at={closer:.2f}/{lat:.7f}/{lon:.7f}&show=photo&run={key[:12]}",
            }
        )
    return found


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
