"""What makes the outputs of a run findable: a STAC item, and a QGIS project with all layers in place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import shapely

from geoseg.arrays import Json
from geoseg.commit import commit_bytes, commit_json, digest
from geoseg.gis.columns import with_aliases
from geoseg.gis.geopackage import Layer
from geoseg.gis.project import ProjectLayer, place_beside, qgis_project
from geoseg.gis.stac import Asset, Origin, class_bands, confidence_bands, footprint_in_degrees, projection, result_item
from geoseg.gis.styles import confidence_qml, photo_qml, raster_qml
from geoseg.layers import role_of_table, tables
from geoseg.models.facts import NO_NETWORK
from geoseg.sheets.kinds.addresses import address_of, is_remote
from geoseg.stages.mosaic.finish import versions
from geoseg.stages.mosaic.inputs import Inputs
from geoseg.stages.mosaic.review import TABLE

__all__ = ["write_project", "write_stac"]

MOST_PHOTOS = 100
"""Sheets that are layers of the project."""
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


def write_project(inputs: Inputs, layers: list[Layer]) -> list[Path]:
    """Write NAME.qgz: places to review over objects over land cover over confidence, which is off, over the photo."""
    name, plan = inputs.name, inputs.plan
    vectors = [
        ProjectLayer(
            layer.name,
            f"./{name}.gpkg|layername={layer.name}",
            "vector",
            with_aliases(layer.qml, layer.frame.columns),
            layer.geometry_type.removesuffix("String"),
            shown=layer.name == TABLE or tables()[layer.name].shown,
            group=_group(layer.name),
        )
        for layer in reversed(layers)
    ]
    vectors.sort(key=lambda layer: ("review", "objects", "land cover").index(layer.group))
    kinds = (("classes", raster_qml(inputs.table, 0.6), "land cover"), ("confidence", confidence_qml(), "confidence"))
    rasters = [
        ProjectLayer(f"{kind}{e}", f"./{name}{e}_{kind}.tif", "raster", qml, shown=kind == "classes", group=group)
        for kind, qml, group in kinds
        for e, _ in inputs.rasters
    ]
    path = inputs.run.out / f"{name}.qgz"
    everything = [*vectors, *rasters, *_photos(inputs)]
    commit_bytes(path, qgis_project(name, plan.grid.crs, plan.grid.bounds(inputs.extent), everything))
    return [path]


def _group(name: str) -> str:
    """The group of the project that a table lies in."""
    return "review" if name == TABLE else "objects" if role_of_table(name) else "land cover"


def _photos(inputs: Inputs) -> list[ProjectLayer]:
    """The sheets as layers, from where they lie on disk; none where they are too many for a list of layers."""
    sheets = [s for s in inputs.plan.sheets if not is_remote(Path(s.path))]
    if len(sheets) > MOST_PHOTOS or inputs.job.facts.engine == NO_NETWORK:
        return []
    return [
        ProjectLayer(
            sheet.stem,
            place_beside(Path(sheet.path), inputs.run.out),
            "raster",
            photo_qml() if sheet.header.dtype == "uint8" and sheet.header.bands >= 3 else "",
            group="photo",
            crs=sheet.header.crs,
        )
        for sheet in sheets
    ]


def write_stac(inputs: Inputs, counts: dict[int, int], files: list[Path]) -> list[Path]:
    """Write NAME.stac.json beside the outputs; it names all of them but the rasters of single sheets."""
    name, plan = inputs.name, inputs.plan
    path = inputs.run.out / f"{name}.stac.json"
    rasters = _raster_facts(inputs, counts)
    assets = {}
    for file in files:
        if file.parent != path.parent or file == path or file.suffix == ".xml":
            continue
        more = rasters.get(file.name, {})
        kind = _GEOTIFF if file.suffix == ".tif" else _TYPES.get(file.suffix, "application/octet-stream")
        role = "style" if file.suffix == ".qml" else "overview" if file.suffix == ".html" else "data"
        key = file.name.removeprefix(name).lstrip("_.").replace(".", "_")
        assets[key] = Asset(
            f"./{file.name}", kind, key.replace("_", " "), role, file.stat().st_size, digest(file), more
        )
    times = sorted(datetime.fromtimestamp(s.stat[1] / 1e9, UTC) for s in plan.sheets)
    ground = shapely.union_all([shapely.box(*plan.grid.bounds(s.window)) for s in plan.sheets])
    origin = Origin(
        times=(_rfc3339(times[0]), _rfc3339(times[-1])),
        sources=[address_of(s.path) if is_remote(s.path) else Path(s.path).absolute().as_uri() for s in plan.sheets],
        gsd=plan.gsd,
        software=versions(),
        lineage=f"Semantic segmentation by {', '.join(m['name'] for m in inputs.models)}; "
        "classes blended over overlapping patches, polygons as a coverage with squared buildings.",
    )
    commit_json(path, result_item(name, footprint_in_degrees(plan.grid.crs, ground), assets, origin))
    return [path]


def _raster_facts(inputs: Inputs, counts: dict[int, int]) -> Json:
    """Bands and place of each raster of the whole, by its file name; counts of classes where it is only one."""
    facts: Json = {}
    for ending, extent in inputs.rasters:
        shape = int(extent.height), int(extent.width)
        place = projection(inputs.plan.grid.crs, shape, list(inputs.plan.grid.window_transform(extent)))
        classes = class_bands(inputs.table, counts if len(inputs.rasters) == 1 else {})
        facts[f"{inputs.name}{ending}_classes.tif"] = {"bands": classes, **place}
        facts[f"{inputs.name}{ending}_confidence.tif"] = {"bands": confidence_bands(), **place}
    return facts


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
