"""What makes the outputs of a run findable: a STAC item, and a QGIS project with all layers in place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import shapely
from rasterio.windows import Window

from geoseg.classes import ClassTable
from geoseg.commit import commit_bytes, commit_json, digest
from geoseg.gis.geopackage import Layer
from geoseg.gis.project import ProjectLayer, qgis_project
from geoseg.gis.stac import Asset, class_bands, confidence_bands, footprint_in_degrees, projection, result_item
from geoseg.gis.styles import raster_qml
from geoseg.plan import Plan

__all__ = ["write_project", "write_stac"]

_GEOTIFF = "image/tiff; application=geotiff; profile=cloud-optimized"
_TYPES = {
    ".gpkg": "application/geopackage+sqlite3",
    ".fgb": "application/vnd.flatgeobuf",
    ".geojson": "application/geo+json",
    ".parquet": "application/vnd.apache.parquet",
    ".pmtiles": "application/vnd.pmtiles",
    ".qml": "application/xml",
    ".qgz": "application/zip",
    ".html": "text/html",
}
_HIDDEN = ("trees", "tree_points", "roads", "landcover")
"""Layers that the project holds but does not show at first: they would cover what lies below."""


def write_project(
    path: Path, name: str, plan: Plan, extent: Window, layers: list[Layer], table: ClassTable
) -> list[Path]:
    """Write NAME.qgz: objects over land cover over the class raster."""
    vectors = [
        ProjectLayer(
            layer.name,
            f"./{name}.gpkg|layername={layer.name}",
            "vector",
            layer.qml,
            layer.geometry_type.removesuffix("String"),
            shown=layer.name not in _HIDDEN,
        )
        for layer in reversed(layers)
    ]
    raster = ProjectLayer("classes", f"./{name}_classes.tif", "raster", raster_qml(table))
    commit_bytes(path, qgis_project(name, plan.grid.crs, plan.grid.bounds(extent), [*vectors, raster]))
    return [path]


def write_stac(
    path: Path,
    name: str,
    plan: Plan,
    extent: Window,
    table: ClassTable,
    counts: dict[int, int],
    files: list[Path],
    *,
    software: dict[str, str],
    models: list[dict[str, Any]],
) -> list[Path]:
    """Write NAME.stac.json beside the outputs; it names all of them but the rasters of single sheets."""
    shape = int(extent.height), int(extent.width)
    place = projection(plan.grid.crs, shape, list(plan.grid.window_transform(extent)))
    bands = {
        f"{name}_classes.tif": class_bands(table, counts),
        f"{name}_confidence.tif": confidence_bands(),
    }
    assets = {}
    for file in files:
        if file.parent != path.parent or file == path or file.suffix == ".xml":
            continue
        more = {"bands": bands[file.name], **place} if file.name in bands else {}
        kind = _GEOTIFF if file.suffix == ".tif" else _TYPES.get(file.suffix, "application/octet-stream")
        role = "style" if file.suffix == ".qml" else "overview" if file.suffix == ".html" else "data"
        key = file.name.removeprefix(name).lstrip("_.").replace(".", "_")
        assets[key] = Asset(
            f"./{file.name}", kind, key.replace("_", " "), role, file.stat().st_size, digest(file), more
        )
    times = sorted(datetime.fromtimestamp(s.stat[1] / 1e9, UTC) for s in plan.sheets)
    ground = shapely.union_all([shapely.box(*plan.grid.bounds(s.window)) for s in plan.sheets])
    item = result_item(
        name,
        footprint_in_degrees(plan.grid.crs, ground),
        (_rfc3339(times[0]), _rfc3339(times[-1])),
        assets,
        software=software,
        lineage=f"Semantic segmentation by {', '.join(m['name'] for m in models)}; classes blended over overlapping patches, "
        "polygons as a coverage with squared buildings.",
        sources=[Path(s.path).absolute().as_uri() for s in plan.sheets],
        gsd=plan.gsd,
    )
    commit_json(path, item)
    return [path]


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
