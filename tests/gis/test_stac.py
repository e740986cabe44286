"""STAC items."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest
import rasterio
import rasterio.warp

from geoseg import commit

STAC_RULES = {
    "type": "object",
    "required": ["type", "stac_version", "id", "geometry", "bbox", "properties", "links", "assets", "stac_extensions"],
    "properties": {
        "stac_version": {"const": "1.1.0"},
        "bbox": {"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "number"}},
        "properties": {
            "required": ["datetime", "start_datetime", "end_datetime", "processing:software", "processing:lineage"],
            "properties": {
                "datetime": {"type": "null"},
                "start_datetime": {"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$"},
                "processing:software": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
        "assets": {
            "type": "object",
            "minProperties": 4,
            "additionalProperties": {
                "required": ["href", "type", "roles", "file:size", "file:checksum"],
                "properties": {
                    "href": {"pattern": "^\\./"},
                    "file:size": {"type": "integer", "minimum": 1},
                    "file:checksum": {"pattern": "^1220[0-9a-f]{64}$"},
                    "proj:code": {"pattern": "^[A-Z]+:[0-9]+$"},
                    "proj:shape": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "integer"}},
                    "proj:transform": {"type": "array", "minItems": 6, "maxItems": 6, "items": {"type": "number"}},
                    "bands": {
                        "items": {
                            "required": ["name", "data_type", "nodata"],
                            "properties": {
                                "data_type": {"const": "uint8"},
                                "classification:classes": {
                                    "minItems": 1,
                                    "items": {
                                        "required": ["value", "name", "description"],
                                        "properties": {
                                            "value": {"type": "integer"},
                                            "name": {"pattern": "^[0-9A-Za-z_-]+$"},
                                            "color_hint": {"pattern": "^[0-9A-F]{6}$"},
                                            "percentage": {"minimum": 0, "maximum": 100},
                                        },
                                    },
                                },
                            },
                        }
                    },
                },
            },
        },
    },
}
"""Demands of the core and of the extensions projection 2.0, classification 2.0, processing 1.2 and file 2.1."""


def test_the_stac_item_keeps_the_rules_and_names_every_file(finished):
    run, report = finished
    item = json.loads((run / "out/town.stac.json").read_text())
    jsonschema.validate(item, STAC_RULES)
    for asset in item["assets"].values():
        path = run / "out" / asset["href"]
        assert asset["file:checksum"] == "1220" + commit.digest(path)
        assert asset["file:size"] == path.stat().st_size
    named = {(run / "out" / a["href"]).resolve() for a in item["assets"].values()}
    missing = {p.resolve() for p in report.files if p.parent.name == "out" and p.suffix != ".xml"} - named
    assert {p.name for p in missing} == {"town.stac.json"}
    with rasterio.open(run / "out/town_classes.tif") as dataset:
        place = item["assets"]["classes_tif"]
        assert tuple(place["proj:shape"]) == dataset.shape
        assert tuple(place["proj:transform"]) == tuple(dataset.transform)[:6]
        assert place["proj:code"] == "EPSG:25833"
        here = rasterio.warp.transform_bounds(dataset.crs, 4326, *dataset.bounds)
    assert np.allclose(item["bbox"], here, atol=1e-4)
    shares = [c["percentage"] for c in place["bands"][0]["classification:classes"]]
    assert sum(shares) == pytest.approx(100, abs=0.01)


def test_the_stac_item_passes_the_schema_of_stac_itself(finished):
    """The core schemas of STAC 1.1.0 as pystac brings them; those of the extensions are on the network."""
    pytest.importorskip("pystac")
    from pystac.validation.local_validator import LocalValidator

    with pytest.warns(DeprecationWarning, match="LocalValidator"):
        schema = LocalValidator().item_validator("1.1.0")
    item = json.loads((finished[0] / "out/town.stac.json").read_text())
    assert [e.message for e in schema.iter_errors(item)] == []
    del item["properties"]["datetime"]
    assert list(schema.iter_errors(item))
