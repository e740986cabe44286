"""Two towns whose differences are known."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import sqlite3
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pandas
import pyogrio
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from support import CRS, PLACE, moved, write_sheet
from towns import EDITED, EDITS, OLD, made

from geoseg.errors import PlanError, UsageError
from geoseg.options import ChangesOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.changes import compare

OTHER = rasterio.warp.transform(CRS, "EPSG:25832", [PLACE.c + 5], [PLACE.f])
"""Where the town lies in the zone beside its own."""
NOTHING = {name: dict.fromkeys(counts, 0) for name, counts in EDITS.items()}
SWAPPED = {"added": "removed", "removed": "added", "split": "merged", "merged": "split"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    """The town before and after five edits."""
    folder = tmp_path_factory.mktemp("changes")
    return made(folder / "old", OLD), made(folder / "new", EDITED)


def test_a_run_against_itself_has_no_changes(runs, tmp_path) -> None:
    found = compare(runs[0], runs[0], tmp_path / "c.gpkg")
    assert found.counts == NOTHING
    balance = found.land_cover.balance.set_index("kind")
    assert balance["pixels"].to_dict() == {"unchanged": 500 * 600, "polygons": 0, "slivers": 0}
    assert balance["area_m2"]["slivers"] == 0
    for name in ("landcover", *EDITS):
        assert len(geopandas.read_file(tmp_path / "c.gpkg", layer=name)) == 0


def test_known_edits_are_found_and_nothing_else(runs, tmp_path) -> None:
    found = compare(*runs, tmp_path / "c.gpkg")
    assert found.counts == EDITS
    assert found.said() == [
        "1 new building, 1 gone, 1 changed",
        "no changes of road centrelines",
        "1 tree gone",
        "1 car gone",
    ]
    rows = geopandas.read_file(tmp_path / "c.gpkg", layer="buildings").set_index("change")
    assert rows["area_difference_m2"].to_dict() == pytest.approx({"added": 72, "changed": 48, "removed": -90}, abs=1)
    assert rows["iou"]["changed"] == pytest.approx(64 / 112, abs=0.01)
    assert rows["area_m2_new"]["changed"] - rows["area_m2_old"]["changed"] == pytest.approx(48, abs=1)
    assert rows.loc["added", ["id_old", "area_m2_old"]].isna().all()
    assert rows.loc["removed", ["id_new", "area_m2_new"]].isna().all()
    cover = geopandas.read_file(tmp_path / "c.gpkg", layer="landcover")
    pairs = [("building", "low vegetation"), ("car", "impervious surface"), ("low vegetation", "building")]
    assert sorted(zip(cover["from"], cover["to"], strict=True)) == sorted(
        [*pairs, ("low vegetation", "building"), ("tree", "low vegetation")]
    )


def test_the_matrix_is_that_of_the_rasters(runs, tmp_path) -> None:
    found = compare(*runs, tmp_path / "c.gpkg").land_cover
    matrix = found.matrix.pivot(index="from", columns="to", values="pixels")
    for axis, town in ((1, OLD), (0, EDITED)):
        counts = np.bincount(town.classes().ravel(), minlength=6)
        names = [c.name for c in Run(runs[0]).table.classes]
        assert matrix.sum(axis=axis)[names].tolist() == counts.tolist()
    assert found.balance["pixels"].sum() == 500 * 600
    assert found.balance["area_m2"].sum() == pytest.approx(found.matrix["area_m2"].sum(), abs=0.01)
    stored = pyogrio.read_dataframe(tmp_path / "c.gpkg", layer="landcover_matrix")
    assert stored.to_dict("records") == found.matrix.to_dict("records")
    polygons = geopandas.read_file(tmp_path / "c.gpkg", layer="landcover")
    assert polygons["pixels"].sum() == found.balance.set_index("kind")["pixels"]["polygons"]
    assert np.allclose(polygons.area, polygons["pixels"] * 0.01)  # exact outlines


def test_old_and_new_change_places(runs, tmp_path) -> None:
    there, back = compare(*runs, tmp_path / "a.gpkg"), compare(*runs[::-1], tmp_path / "b.gpkg")
    for name, counts in there.counts.items():
        assert back.counts[name] == {SWAPPED.get(kind, kind): n for kind, n in counts.items()} | {
            "changed": counts["changed"]
        }
    one, other = (f.land_cover.matrix.pivot(index="from", columns="to", values="pixels") for f in (there, back))
    assert one.equals(other.T.rename_axis(index="from", columns="to"))
    assert there.land_cover.balance.equals(back.land_cover.balance)


def test_equal_changes_have_equal_bytes_and_an_earlier_file_is_replaced(runs, tmp_path) -> None:
    (tmp_path / "b.gpkg").write_bytes(b"something else")
    hashes = set()
    for name in ("a", "b"):
        compare(*runs, tmp_path / f"{name}.gpkg")
        hashes.add(hashlib.sha256((tmp_path / f"{name}.gpkg").read_bytes()).hexdigest())
    assert len(hashes) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gpkg", "a.html", "b.gpkg", "b.html"]


def test_the_order_of_features_does_not_matter(runs, tmp_path) -> None:
    compare(*runs, tmp_path / "a.gpkg")
    for k, run in enumerate(runs):
        shutil.copytree(run / "out", tmp_path / run.name)
        path = tmp_path / run.name / "town.gpkg"
        for name in EDITS:
            frame = geopandas.read_file(path, layer=name)
            frame.sample(frac=1, random_state=k).to_file(path, layer=name, driver="GPKG", engine="pyogrio")
    compare(tmp_path / "old", tmp_path / "new", tmp_path / "b.gpkg")
    for name in EDITS:
        a, b = (geopandas.read_file(tmp_path / f"{n}.gpkg", layer=name) for n in "ab")
        columns = [c for c in a.columns if c != "touches_edge_old"]
        pandas.testing.assert_frame_equal(a[columns], b[columns], check_dtype=False)


def test_the_file_opens_styled_and_the_page_holds_all(runs, tmp_path) -> None:
    compare(*runs, tmp_path / "c.gpkg")
    with sqlite3.connect(tmp_path / "c.gpkg") as database:
        styles = dict(database.execute("SELECT f_table_name, styleQML FROM layer_styles").fetchall())
        plain = database.execute("SELECT table_name FROM gpkg_contents WHERE data_type = 'attributes'").fetchall()
        assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert set(styles) == {"landcover", *EDITS}
    for qml in styles.values():
        assert ElementTree.fromstring(qml).find("renderer-v2") is not None
    assert {n for (n,) in plain} == {"landcover_matrix", "landcover_balance", "objects", "layer_styles"}
    page = (tmp_path / "c.html").read_text()
    assert "1 new building, 1 gone, 1 changed" in page
    assert "data:image/png;base64," in page
    assert "http" not in page


def test_what_the_edge_cuts_makes_no_changes(tmp_path) -> None:
    """NEW lacks the right part and a hole in the middle: a building there, a tree and the car are not gone."""
    old = made(tmp_path / "old", OLD)
    less = replace(OLD, shape=(500, 450), blank=((170, 300, 300, 360),))
    for town, name in ((less, "less"), (replace(less, blank=((170, 300, 300, 360), (250, 90, 290, 120))), "more")):
        new = made(tmp_path / name, town)
        assert compare(old, new, tmp_path / "c.gpkg").counts == NOTHING
        found = compare(new, old, tmp_path / "c.gpkg")
        assert found.counts == NOTHING
        assert found.land_cover.balance.set_index("kind")["pixels"].to_dict() == {
            "unchanged": int((town.classes() != 255).sum()), "polygons": 0, "slivers": 0,
        }  # fmt: skip


def test_a_run_that_begins_elsewhere_on_the_grid_is_compared(runs, tmp_path) -> None:
    pixels = EDITED.classes()[40:, 30:]
    folder = tmp_path / "crop"
    write_sheet(folder / "crop_classes.tif", pixels, place=moved(PLACE, 30, 40), nodata=255)
    for pair in ((runs[0], folder), (folder, runs[0])):
        found = compare(*pair, tmp_path / "c.gpkg")
        assert found.land_cover.balance["pixels"].sum() == pixels.size
        assert found.counts == {}  # the crop has no features
    (folder / "crop_classes.tif").unlink()
    write_sheet(folder / "crop_classes.tif", pixels, place=moved(PLACE, 30_000, 40), nodata=255)
    with pytest.raises(UsageError, match="shares no ground"):
        compare(runs[0], folder, tmp_path / "c.gpkg")


@pytest.mark.parametrize(
    ("place", "crs"),
    [
        (moved(PLACE, 0.5, 0), CRS),
        (PLACE @ Affine.scale(1.25), CRS),
        (Affine(0.1, 0, *OTHER[0], 0, -0.1, *OTHER[1]), "EPSG:25832"),
    ],
    ids=["half a pixel off", "larger pixels", "another CRS"],
)
def test_another_grid_is_refused_with_the_command_that_aligns_it(runs, tmp_path, place, crs) -> None:
    folder = tmp_path / "other"
    write_sheet(folder / "o_classes.tif", EDITED.classes(), place=place, crs=crs, nodata=255)
    with pytest.raises(UsageError) as refused:
        compare(runs[0], folder, tmp_path / "c.gpkg")
    assert refused.value.subject == str(folder / "o_classes.tif")
    assert "another grid" in refused.value.what
    assert not (tmp_path / "c.gpkg").exists()
    command = shlex.split(refused.value.cure.removeprefix("align it: ").partition(" && ")[0])
    assert command[0] == "gdalwarp"
    _warp(command, tmp_path / "aligned/a_classes.tif")
    found = compare(runs[0], tmp_path / "aligned", tmp_path / "c.gpkg")
    assert 0 < found.land_cover.balance["pixels"].sum() <= 500 * 600


def _warp(command: list[str], out: Path) -> None:
    """What gdalwarp would do."""

    def after(flag: str, count: int) -> list[str]:
        at = command.index(flag) + 1
        return command[at : at + count]

    wide, high = map(float, after("-tr", 2))
    left, bottom, right, top = map(float, after("-te", 4))
    shape = round((top - bottom) / high), round((right - left) / wide)
    pixels, place = np.full(shape, 255, np.uint8), Affine(wide, 0, left, 0, -high, top)
    with rasterio.open(command[-2]) as source:
        rasterio.warp.reproject(
            rasterio.band(source, 1), pixels, dst_transform=place, dst_crs=after("-t_srs", 1)[0], dst_nodata=255
        )
    write_sheet(out, pixels, place=place, crs=after("-t_srs", 1)[0], nodata=255)


def test_tolerance_and_smallest_area_are_obeyed(runs, tmp_path) -> None:
    strict = compare(*runs, tmp_path / "c.gpkg", ChangesOptions(tolerance=0.1))
    assert strict.counts["buildings"]["changed"] == 2  # the one that moved by 0.3 m, too
    coarse = compare(*runs, tmp_path / "c.gpkg", ChangesOptions(min_area=40))
    assert len(geopandas.read_file(tmp_path / "c.gpkg", layer="landcover")) == 3
    assert coarse.land_cover.balance["pixels"].sum() == strict.land_cover.balance["pixels"].sum()
    assert coarse.counts == EDITS  # objects have their own smallest sizes


def test_a_layer_that_one_side_lacks_is_left_out_and_said(runs, tmp_path, caplog) -> None:
    some = made(tmp_path / "some", EDITED, layers=("buildings",))
    found = compare(runs[0], some, tmp_path / "c.gpkg")
    assert found.counts == {"buildings": EDITS["buildings"]}
    assert "has the layer trees; it is not compared" in caplog.text


def test_what_is_no_run_is_refused(runs, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    for place, words in ((tmp_path / "no", "is no folder"), (tmp_path / "empty", "holds no class raster")):
        with pytest.raises(UsageError, match=words):
            compare(runs[0], place, tmp_path / "c.gpkg")
    with pytest.raises(UsageError, match="no name of a GeoPackage"):
        compare(*runs, tmp_path / "c.tif")
    with pytest.raises(UsageError, match="one of the files"):
        compare(*runs, runs[0] / "out/town.gpkg")
    with pytest.raises(UsageError, match="among the outputs"):
        compare(*runs, runs[0] / "out/changes.gpkg")
    begun = shutil.copytree(runs[0], tmp_path / "begun")
    (begun / "run.json").unlink()
    with pytest.raises(PlanError):
        compare(begun, runs[1], tmp_path / "c.gpkg")
