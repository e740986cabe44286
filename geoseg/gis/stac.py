"""A STAC 1.1 item of a run's outputs: where, what, from what, made how.

Extensions: projection 2.0, classification 2.0, processing 1.2, file 2.1. Hand-made, because the item is 60 lines of plain data and the libraries at hand
still write older fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import shapely
from pyproj import CRS, Transformer

from geoseg.classes import NODATA, ClassTable

__all__ = ["Asset", "footprint_in_degrees", "result_item"]

_EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("projection/v2.0.0", "classification/v2.0.0", "processing/v1.2.0", "file/v2.1.0")
]


@dataclass(frozen=True)
class Asset:
    """One file: its place relative to the item, media type, role, size, SHA-256 and what else is said of it."""

    href: str
    media_type: str
    title: str
    role: str
    size: int
    sha256: str
    more: dict[str, Any] = field(default_factory=dict)


def class_bands(table: ClassTable, counts: dict[int, int]) -> list[dict[str, Any]]:
    """The one band of a class raster."""
    whole = sum(counts.values()) or 1
    classes = [
        {
            "value": c.value,
            "name": c.slug,
            "title": c.name,
            "description": f"{c.name} ({c.role})",
            "color_hint": c.hex[1:].upper(),
            "count": counts.get(c.value, 0),
            "percentage": round(100 * counts.get(c.value, 0) / whole, 3),
        }
        for c in table.classes
    ]
    return [{"name": "class", "data_type": "uint8", "nodata": NODATA, "classification:classes": classes}]


def confidence_bands() -> list[dict[str, Any]]:
    """The one band of a confidence raster."""
    return [{"name": "confidence", "data_type": "uint8", "nodata": NODATA, "unit": "%"}]


def projection(crs: str, shape: tuple[int, int], transform: Sequence[float]) -> dict[str, Any]:
    """Projection fields of a raster (H, W); a CRS without a code says so with its WKT."""
    code = CRS.from_wkt(crs).to_authority()
    named: dict[str, Any] = (
        {"proj:code": ":".join(code)} if code else {"proj:code": None, "proj:wkt2": CRS.from_wkt(crs).to_wkt()}
    )
    return {**named, "proj:shape": list(shape), "proj:transform": [float(v) for v in transform[:6]]}


def footprint_in_degrees(crs: str, area: shapely.Geometry) -> shapely.Geometry:
    """An area in WGS 84, its edges dense enough to bend; areas without a place on Earth become the whole Earth."""
    system = CRS.from_wkt(crs)
    if not (system.is_projected or system.is_geographic):
        return shapely.box(-180, -90, 180, 90)
    to = Transformer.from_crs(system, 4326, always_xy=True)
    step = max(area.bounds[2] - area.bounds[0], area.bounds[3] - area.bounds[1]) / 16
    dense = shapely.segmentize(area, step)
    return shapely.orient_polygons(
        shapely.transform(dense, lambda x, y: to.transform(x, y), interleaved=False), exterior_cw=False
    )


def result_item(
    name: str,
    footprint: shapely.Geometry,
    times: tuple[str, str],
    assets: dict[str, Asset],
    *,
    software: dict[str, str],
    lineage: str,
    sources: list[str],
    gsd: float,
) -> dict[str, Any]:
    """The item.

    Args:
        name: its id.
        footprint: in WGS 84.
        times: first and last change of the sheets (RFC 3339): when they were taken is not known.
        assets: files by key.
        software: versions by package.
        lineage: how the result was made, a sentence or two.
        sources: links to what it was made from.
        gsd: metres on the ground.
    """
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": _EXTENSIONS,
        "id": name,
        "geometry": shapely.geometry.mapping(footprint),
        "bbox": list(footprint.bounds),
        "properties": {
            "title": name,
            "description": "Classes of the ground from orthophotos, as rasters and polygons; times are those of the sheets' files.",
            "datetime": None,
            "start_datetime": times[0],
            "end_datetime": times[1],
            "gsd": gsd,
            "processing:software": software,
            "processing:lineage": lineage,
            "processing:level": "L4",
        },
        "links": [{"rel": "derived_from", "href": s, "type": "image/tiff; application=geotiff"} for s in sources],
        "assets": {key: _asset(a) for key, a in assets.items()},
    }


def _asset(asset: Asset) -> dict[str, Any]:
    return {
        "href": asset.href,
        "type": asset.media_type,
        "title": asset.title,
        "roles": [asset.role],
        "file:size": asset.size,
        "file:checksum": "1220" + asset.sha256,  # multihash: SHA2-256, 32 bytes
        **asset.more,
    }
