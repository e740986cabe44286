"""STAC 1.1: an item of a run's outputs (where they are, what they are, how they were made), and a catalog of items.

Extensions: projection 2.0, classification 2.0, processing 1.2, file 2.1. The item is made by hand, because it is 60
lines of plain data and the libraries at hand still write older fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import shapely
from pyproj import CRS, Transformer

from geoseg.arrays import Json
from geoseg.classes import NODATA, ClassTable

__all__ = [
    "Asset",
    "Origin",
    "catalog",
    "class_bands",
    "confidence_bands",
    "footprint_in_degrees",
    "item_of_catalog",
    "projection",
    "result_item",
    "with_file",
]

_EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("projection/v2.0.0", "classification/v2.0.0", "processing/v1.2.0", "file/v2.1.0")
]
_SHA256 = "1220"
"""Multihash: SHA2-256, 32 bytes."""
_VERSION = "1.1.0"
_DESCRIPTION = "Classes of the ground from orthophotos, as rasters and polygons; times are those of the sheets' files."


@dataclass(frozen=True)
class Asset:
    """One file: its place relative to the item, media type, title, role, size in bytes, SHA-256, and further fields."""

    href: str
    media_type: str
    title: str
    role: str
    size: int
    sha256: str
    more: Json = field(default_factory=dict)


def class_bands(table: ClassTable, counts: dict[int, int]) -> list[Json]:
    """The one band of a class raster; `counts`: pixels by class value, empty where nobody counted."""
    whole = sum(counts.values()) or 1
    classes: list[Json] = [
        {
            "value": c.value,
            "name": c.slug,
            "title": c.name,
            "description": f"{c.name} ({c.role})",
            "color_hint": c.hex[1:].upper(),
            **(
                {"count": n, "percentage": round(100 * n / whole, 3)} if (n := counts.get(c.value, 0)) or counts else {}
            ),
        }
        for c in table.classes
    ]
    return [{"name": "class", "data_type": "uint8", "nodata": NODATA, "classification:classes": classes}]


def confidence_bands() -> list[Json]:
    """The one band of a confidence raster."""
    return [{"name": "confidence", "data_type": "uint8", "nodata": NODATA, "unit": "%"}]


def projection(crs: str, shape: tuple[int, int], transform: Sequence[float]) -> Json:
    """Projection fields of a raster (H, W); a CRS without a code says so with its WKT."""
    code = CRS.from_wkt(crs).to_authority()
    named: Json = (
        {"proj:code": ":".join(code)} if code else {"proj:code": None, "proj:wkt2": CRS.from_wkt(crs).to_wkt()}
    )
    return {**named, "proj:shape": list(shape), "proj:transform": [float(v) for v in transform[:6]]}


def footprint_in_degrees(crs: str, area: shapely.Geometry) -> shapely.Geometry:
    """An area in WGS 84, its edges dense enough to bend; an area without a place on Earth becomes the whole Earth."""
    system = CRS.from_wkt(crs)
    if not (system.is_projected or system.is_geographic):
        return shapely.box(-180, -90, 180, 90)
    to = Transformer.from_crs(system, 4326, always_xy=True)
    step = max(area.bounds[2] - area.bounds[0], area.bounds[3] - area.bounds[1]) / 16
    dense = shapely.segmentize(area, step)
    return shapely.orient_polygons(
        shapely.transform(dense, lambda x, y: to.transform(x, y), interleaved=False), exterior_cw=False
    )


@dataclass(frozen=True)
class Origin:
    """Sources of a result, and how it was made.

    Attributes:
        times: first and last change of the sheets (RFC 3339); nobody knows when they were taken.
        sources: links to the sheets.
        gsd: metres on the ground along a pixel.
        software: versions by package.
        lineage: how the result was made, a sentence or two.
    """

    times: tuple[str, str]
    sources: list[str]
    gsd: float
    software: dict[str, str]
    lineage: str


def result_item(name: str, footprint: shapely.Geometry, assets: dict[str, Asset], origin: Origin) -> Json:
    """The item.

    Args:
        name: its id.
        footprint: in WGS 84.
        assets: files by key.
        origin: what they were made from.
    """
    return {
        "type": "Feature",
        "stac_version": _VERSION,
        "stac_extensions": _EXTENSIONS,
        "id": name,
        "geometry": shapely.geometry.mapping(footprint),
        "bbox": list(footprint.bounds),
        "properties": {
            "title": name,
            "description": _DESCRIPTION,
            "datetime": None,
            "start_datetime": origin.times[0],
            "end_datetime": origin.times[1],
            "gsd": origin.gsd,
            "processing:software": origin.software,
            "processing:lineage": origin.lineage,
            "processing:level": "L4",
        },
        "links": [
            {"rel": "derived_from", "href": s, "type": "image/tiff; application=geotiff"} for s in origin.sources
        ],
        "assets": {key: _asset(a) for key, a in assets.items()},
    }


def _asset(asset: Asset) -> Json:
    return {
        "href": asset.href,
        "type": asset.media_type,
        "title": asset.title,
        "roles": [asset.role],
        "file:size": asset.size,
        "file:checksum": f"{_SHA256}{asset.sha256}",
        **asset.more,
    }


def catalog(file: str, name: str, description: str, items: dict[str, str]) -> Json:
    """A catalog of items.

    Args:
        file: its own file name.
        name: its id and title.
        description: what the items are.
        items: a title for each item's address relative to the catalog, in the order in which they are shown.
    """
    return {
        "type": "Catalog",
        "stac_version": _VERSION,
        "id": name,
        "title": name,
        "description": description,
        "links": [
            {"rel": "root", "href": f"./{file}", "type": "application/json", "title": name},
            *(
                {"rel": "item", "href": href, "type": "application/geo+json", "title": title}
                for href, title in items.items()
            ),
        ],
    }


def with_file(item: Json, href: str, size: int, sha256: str) -> Json:
    """An item with another file in the place of an asset; the same item where it names no such file.

    Args:
        item: as `result_item` makes it.
        href: the asset's.
        size: bytes of the file.
        sha256: of the file.
    """
    new = {"file:size": size, "file:checksum": f"{_SHA256}{sha256}"}
    assets = {k: {**asset, **new} if asset["href"] == href else asset for k, asset in item["assets"].items()}
    return {**item, "assets": assets}


def item_of_catalog(item: Json, title: str, catalog: str) -> Json:
    """An item as one of several of the same name in a catalog: its id and title tell them apart.

    Args:
        item: as `result_item` makes it.
        title: what sets it apart, such as a date.
        catalog: address of the catalog relative to the item.
    """
    up = [{"rel": rel, "href": catalog, "type": "application/json"} for rel in ("root", "parent")]
    links = [link for link in item["links"] if link["rel"] not in ("root", "parent")]
    properties = {**item["properties"], "title": f"{item['id']}, {title}"}
    return {**item, "id": f"{item['id']}-{title}", "properties": properties, "links": [*up, *links]}
