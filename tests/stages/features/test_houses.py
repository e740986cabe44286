"""Attached houses: one by one in the layer of buildings, one region in the land cover; the same in any sectors."""

from itertools import pairwise

import geopandas
import numpy as np
import pytest
import shapely
from rasterio.transform import Affine

from geoseg.classes import ISPRS, NODATA
from geoseg.gis.geopackage import Layer
from geoseg.options import MosaicOptions
from geoseg.stages.features.memory import array_raster, features_of

GSD = 0.1
PLACE = Affine(GSD, 0, 500_000, 0, -GSD, 5_800_000)


def terrace(turn: float = 0.15) -> tuple[np.ndarray, np.ndarray, list[shapely.Polygon]]:
    """Classes and contact of two rows of attached houses, a little turned, and their true outlines in metres."""
    side = 900
    y, x = (np.mgrid[0:side, 0:side] + 0.5) * GSD
    c, s = np.cos(turn), np.sin(turn)
    middle = side * GSD / 2
    u, v = (x - middle) * c + (y - middle) * s + middle, (y - middle) * c - (x - middle) * s + middle
    classes, contact = np.full((side, side), 2, np.uint8), np.zeros((side, side), np.uint8)
    houses = []
    for top in (25.0, 52.0):
        ends = top / 2 + np.array([8.0, 17.0, 24.0, 33.0, 41.0])
        row = (v > top) & (v < top + 11) & (u > ends[0]) & (u < ends[-1])
        classes[row] = 1
        for a, b in pairwise(ends):
            corners = np.array([[a, top], [b, top], [b, top + 11], [a, top + 11]])
            houses.append(shapely.Polygon((corners - middle) @ np.array([[c, s], [-s, c]]) + middle))
        for wall in ends[1:-1]:
            contact[(np.abs(u - wall) < 0.8) & (v > top - 0.8) & (v < top + 11.8)] = 90
    return classes, contact, houses


def layers(classes: np.ndarray, contact: np.ndarray | None, **options: object) -> dict[str, Layer]:
    raster = array_raster(classes, PLACE, "EPSG:32633", ISPRS, None, contact)
    found = features_of(raster, MosaicOptions(layers=("landcover", "buildings"), **options))  # type: ignore[arg-type]
    return {layer.name: layer for layer in found}


def on_ground(frame: geopandas.GeoDataFrame) -> np.ndarray:
    """Shapes in metres from the corner of the raster, y down."""
    shapes = np.asarray(frame.geometry.array, object)
    return shapely.transform(shapes, lambda xy: (xy - [500_000, 5_800_000]) * [1, -1])


def test_houses_are_found_one_by_one_with_common_walls() -> None:
    classes, contact, truth = terrace()
    frame = layers(classes, contact)["buildings"].frame
    assert len(frame) == len(truth)
    assert frame["cut"].all()
    assert frame["region_id"].nunique() == 2
    found = on_ground(frame)
    for house in truth:
        both, either = shapely.area(shapely.intersection(found, house)), shapely.area(shapely.union(found, house))
        assert (both / either).max() > 0.9
    for _, row in frame.groupby("region_id"):
        shapes = np.asarray(row.geometry.array, object)
        assert shapely.area(shapely.union_all(shapes)) == pytest.approx(shapely.area(shapes).sum(), abs=1e-6)
        assert shapely.union_all(shapes).geom_type == "Polygon"  # no alley between them
        assert not len(shapely.union_all(shapes).interiors)


def test_land_cover_keeps_the_region_whole() -> None:
    classes, contact, _ = terrace()
    with_houses, without = layers(classes, contact), layers(classes, None)
    roofs = [f["landcover"].frame[f["landcover"].frame["class"] == "building"] for f in (with_houses, without)]
    assert sorted(roofs[0]["id"]) == sorted(roofs[1]["id"])
    assert sorted(with_houses["buildings"].frame["region_id"].unique()) == sorted(roofs[1]["id"])
    for a, b in zip(*(r.sort_values("id").geometry for r in roofs), strict=True):
        assert a.intersection(b).area / a.union(b).area > 0.97


def test_without_contact_or_with_no_houses_nothing_is_cut() -> None:
    classes, contact, _ = terrace()
    plain, off = layers(classes, None)["buildings"], layers(classes, contact, houses=False)["buildings"]
    assert plain.frame.equals(off.frame)
    assert not plain.frame["cut"].any()
    assert (plain.frame["region_id"] == plain.frame["id"]).all()


@pytest.mark.parametrize("sector", [256, 512])
@pytest.mark.parametrize("turn", [0.15, -0.4, 1.3])
def test_sectors_do_not_show(sector: int, turn: float) -> None:
    """Regions that are small beside a sector come out alike, though borders of sectors run through their houses."""
    coarse = Affine(GSD * 6, 0, 500_000, 0, -GSD * 6, 5_800_000)
    tiled = [
        np.tile(np.pad(layer[::6, ::6], ((33, 20), (5, 51)), constant_values=value), (3, 3))
        for layer, value in zip(terrace(turn)[:2], (2, 0), strict=True)
    ]
    out = []
    for size in (0, sector):
        raster = array_raster(tiled[0], coarse, "EPSG:32633", ISPRS, None, tiled[1])
        found = features_of(raster, MosaicOptions(layers=("landcover", "buildings"), sector=size))
        out.append({layer.name: layer.frame.sort_values("id").reset_index(drop=True) for layer in found})
    houses = out[0]["buildings"]
    assert houses["cut"].sum() > 30
    pixels = {i: [int(n) for n in i.split("_")[:2]] for i in [*houses["id"], *houses["region_id"]]}
    elsewhere = [
        pixels[a][k] // 256 != pixels[b][k] // 256
        for a, b in zip(houses["id"], houses["region_id"], strict=True)
        for k in (0, 1)
    ]
    assert any(elsewhere)  # a house begins in another sector than its region
    one, many = (o["buildings"] for o in out)
    told = ["id", "class", "confidence", "status", "cut", "region_id", "part_of"]
    assert one[told].equals(many[told])
    # where other land is cut, a point is added to the outline beside it, on a grid of a 64th of a pixel
    assert (shapely.area(shapely.symmetric_difference(one.geometry, many.geometry)) < 0.05 * coarse.a**2).all()
    roofs = [o["landcover"][o["landcover"]["class"] == "building"] for o in out]
    assert roofs[0]["id"].tolist() == roofs[1]["id"].tolist()
    np.testing.assert_allclose(roofs[0]["area_m2"], roofs[1]["area_m2"], atol=0.5 * coarse.a**2)


def test_land_cover_does_not_depend_on_the_layers_that_are_asked_for() -> None:
    classes, contact, _ = terrace()
    raster = array_raster(classes, PLACE, "EPSG:32633", ISPRS, None, contact)
    (alone,) = features_of(raster, MosaicOptions(layers=("landcover",)))
    assert alone.frame.equals(layers(classes, contact)["landcover"].frame)


def test_no_house_is_smaller_than_the_smallest_building() -> None:
    classes, contact, _ = terrace()
    assert layers(classes, contact, min_area=60.0)["buildings"].frame["area_m2"].min() > 60


def test_no_data_counts_as_no_contact() -> None:
    classes, contact, _ = terrace()
    frame = layers(classes, np.full_like(contact, NODATA))["buildings"].frame
    assert not frame["cut"].any()
