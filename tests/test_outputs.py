"""What GIS tools read: COGs, GeoPackages, styles, sample data, patches, model files."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

import geopandas
import jsonschema
import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.warp
import shapely
import torch
from conftest import PLACE, BandNetwork, BlurNetwork, save_network, write_sheet
from PIL import Image
from rasterio.features import rasterize
from rio_cogeo.cogeo import cog_validate

from geoseg import commit, parse
from geoseg.classes import ISPRS, NODATA, ClassTable
from geoseg.errors import EnvironmentFault, ModelError, SheetError, UsageError
from geoseg.gis.cog import RasterSpec, _compare, write_cog
from geoseg.gis.geopackage import Layer
from geoseg.gis.vector_formats import FORMATS, check_formats, write_layers
from geoseg.layers import GROUPS
from geoseg.models.files import load_model, save_model, shipped_model
from geoseg.options import InferOptions, MosaicOptions, TileOptions
from geoseg.scenes.scene import Scene
from geoseg.stages.infer.infer import infer
from geoseg.stages.look.web import web_map
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.sample import SampleOptions, make_sample
from geoseg.stages.tile.patches import decode_labels, write_patches
from geoseg.stages.tile.tile import tile

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "sample_data"
RNG = np.random.default_rng(9)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, blur_network):
    """A finished run over the project's own sample sheets."""
    run = tmp_path_factory.mktemp("outputs") / "town"
    tile([SAMPLE / "sheets"], run, TileOptions(block_size=512))
    infer(run, InferOptions(model=(blur_network,), engine="torch", probabilities=True))
    return run, mosaic(run, MosaicOptions(min_area=0.5))


def test_rasters_are_valid_cogs_with_names_and_colours(finished):
    run, report = finished
    for path in report.files:
        if path.suffix == ".tif":
            valid, errors, warnings = cog_validate(path)
            assert valid, (path, errors)
            assert not warnings
    with rasterio.open(run / "out/town_classes.tif") as dataset:
        assert dataset.nodata == NODATA
        assert dataset.colormap(1)[1][:3] == (0, 0, 255)
        assert dataset.overviews(1)
        assert dataset.block_shapes == [(512, 512)]
        assert json.loads(dataset.tags()["GEOSEG_CLASSES"])["3"] == "tree"
        assert "geoseg" in dataset.tags()["TIFFTAG_SOFTWARE"]
    with rasterio.open(run / "out/town_confidence.tif") as dataset:
        values = dataset.read(1)
    assert set(np.unique(values[values != NODATA])) <= set(range(101))


def test_sidecars_hold_exactly_the_classes(finished):
    run, _ = finished
    qml = ElementTree.parse(run / "out/town_classes.qml")
    entries = [(int(e.get("value")), e.get("label"), e.get("color")) for e in qml.iter("paletteEntry")]
    assert entries == [(c.value, c.name, c.hex) for c in ISPRS.classes]
    aux = ElementTree.parse(run / "out/town_classes.tif.aux.xml")
    assert [e.text for e in aux.iter("Category")] == [c.name for c in ISPRS.classes]
    rows = [[f.text for f in row] for row in aux.iter("Row")]
    classes = rasterio.open(run / "out/town_classes.tif").read(1)
    assert [int(r[-1]) for r in rows] == [int((classes == c.value).sum()) for c in ISPRS.classes]


def test_the_geopackage_is_styled_whole_and_read_by_others(finished):
    run, report = finished
    path = run / "out/town.gpkg"
    with sqlite3.connect(path) as database:
        styles = database.execute(
            "SELECT f_table_schema, f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles"
        ).fetchall()
        assert database.execute("PRAGMA user_version").fetchone()[0] == 10200
    assert [s[1] for s in styles] == [
        "landcover",
        "buildings",
        "roads",
        "road_centrelines",
        "trees",
        "tree_points",
        "cars",
    ]
    for schema, _, column, qml, default in styles:
        assert (schema, column, default) == ("", "geom", 1)
        ElementTree.fromstring(qml)
    for name, count in report.features.items():
        info = pyogrio.read_info(path, layer=name)
        assert info["features"] == count
        assert info["crs"] == "EPSG:25833"
        frame = geopandas.read_file(path, layer=name)
        assert {"id", "class", "class_id", "confidence", "touches_edge", "sheet"} <= set(frame.columns)
        assert frame["id"].is_unique
        assert frame.geometry.is_valid.all()
        assert frame["confidence"].between(0, 100).all()
        assert set(frame["sheet"]) <= {p.stem for p in (SAMPLE / "sheets").glob("*.tif")}
        if frame.geom_type.iloc[0] == "Polygon":
            assert np.allclose(frame["area_m2"], frame.geometry.area, rtol=2e-3)  # ground against map: UTM's 0.9996
    cover = geopandas.read_file(path, layer="landcover")
    facts = json.loads((run / "run.json").read_text())["coverage"]
    assert (facts["gap"], facts["overlap"], facts["invalid"], facts["matched"]) == (0, 0, 0, True)
    assert shapely.coverage_is_valid(cover.geometry.to_numpy(), gap_width=0.01)
    assert cover.area.sum() == pytest.approx(
        (rasterio.open(run / "out/town_classes.tif").read(1) != NODATA).sum() * 0.01, rel=2e-3
    )


def test_equal_runs_give_equal_bytes(finished, tmp_path):
    run, _ = finished
    before = (run / "out/town.gpkg").read_bytes()
    mosaic(run, MosaicOptions(min_area=0.5, overwrite=True))
    assert (run / "out/town.gpkg").read_bytes() == before


def test_run_json_adds_up(finished):
    run, _ = finished
    facts = json.loads((run / "run.json").read_text())
    classes = rasterio.open(run / "out/town_classes.tif").read(1)
    for c in ISPRS.classes:
        assert facts["areas_m2"][c.name] == pytest.approx((classes == c.value).sum() * 0.01, rel=2e-3, abs=0.02)
    assert all(commit.digest(run / f) == sha for f, sha in facts["sha256"].items())
    assert facts["versions"]["torch"] == torch.__version__.split("+")[0]


def test_shares_add_to_a_hundred(finished):
    run, _ = finished
    for path in (run / "blocks/probabilities").glob("*.tif"):
        with rasterio.open(path) as dataset, rasterio.open(run / "blocks" / path.name) as block:
            shares, classes = dataset.read().astype(int), block.read(1)
            assert dataset.descriptions == tuple(c.name for c in ISPRS.classes)
        valid = classes != NODATA
        assert np.abs(shares.sum(0)[valid] - 100).max() <= 3
        best = np.take_along_axis(shares, np.where(valid, classes, 0)[None].astype(int), 0)[0]
        assert (best[valid] == shares.max(0)[valid]).all()
        assert (shares[:, ~valid] == NODATA).all()


def test_large_rasters_take_the_way_over_disk(tmp_path, monkeypatch):
    pixels = RNG.integers(0, 6, (700, 3000), dtype=np.uint8)
    spec = RasterSpec(3000, 700, "EPSG:25833", PLACE, "class", ISPRS)

    def read(w):
        return pixels[w.row_off : w.row_off + w.height, w.col_off : w.col_off + w.width]

    write_cog(tmp_path / "memory.tif", spec, read)
    monkeypatch.setattr("geoseg.gis.cog.IN_MEMORY", 1)
    write_cog(tmp_path / "disk.tif", spec, read)
    for name in ("memory", "disk"):
        assert np.array_equal(rasterio.open(tmp_path / f"{name}.tif").read(1), pixels)
        assert cog_validate(tmp_path / f"{name}.tif")[0]
    assert {p.name for p in tmp_path.iterdir()} == {"memory.tif", "disk.tif"}


@pytest.mark.parametrize("largest", [1, 10**9])
def test_what_is_empty_is_not_read_and_must_not_be_in_the_file(tmp_path, monkeypatch, largest):
    monkeypatch.setattr("geoseg.gis.cog.IN_MEMORY", largest)
    pixels = np.full((4500, 6300), NODATA, np.uint8)
    pixels[2100:2300, 100:400] = RNG.integers(0, 6, (200, 300))
    pixels[4400:, 6200:] = 1
    spec = RasterSpec(6300, 4500, "EPSG:25833", PLACE, "class", ISPRS, overviews=False)
    asked = []

    def read(w):
        asked.append(w)
        return pixels[w.row_off : w.row_off + w.height, w.col_off : w.col_off + w.width]

    def empty(w):
        return (pixels[w.row_off : w.row_off + w.height, w.col_off : w.col_off + w.width] == NODATA).all()

    write_cog(tmp_path / "all.tif", spec, read)
    asked.clear()
    write_cog(tmp_path / "some.tif", spec, read, empty)
    assert len(asked) == 2 * 2
    assert (tmp_path / "some.tif").read_bytes() == (tmp_path / "all.tif").read_bytes()
    with rasterio.open(tmp_path / "all.tif") as dataset, pytest.raises(EnvironmentFault, match="other pixels"):
        _compare(tmp_path / "all.tif", dataset, spec, lambda w: np.full((w.height, w.width), NODATA), lambda w: True)


# --- commit


def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "f.bin"
    commit.commit_bytes(path, b"old")

    def fail(temporary):
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(EnvironmentFault, match="free some disk space"):
        commit.commit_file(path, fail, lambda t: None)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.bin"]


# --- sample data and scenes


def test_the_sample_data_is_what_its_command_makes(tmp_path):
    """Labels and polygons exactly; images to one grey level."""
    facts = json.loads((SAMPLE / "sample.json").read_text())
    words = facts["command"].split()
    words[words.index("-o") + 1] = str(tmp_path / "again")
    subprocess.run([sys.executable, "-m", "geoseg.cli.main", "-q", *words[1:]], check=True, capture_output=True)
    for path in sorted(SAMPLE.rglob("*.tif")):
        with rasterio.open(path) as a, rasterio.open(tmp_path / "again" / path.relative_to(SAMPLE)) as b:
            assert a.transform == b.transform
            off = np.abs(a.read().astype(int) - b.read())
        assert off.max() <= (1 if path.parent.name == "sheets" else 0), path
    for layer in ("landcover", "buildings", "streets", "trees", "cars"):
        one, two = (geopandas.read_file(folder / "truth.gpkg", layer=layer) for folder in (SAMPLE, tmp_path / "again"))
        assert (shapely.to_wkb(one.geometry.to_numpy()) == shapely.to_wkb(two.geometry.to_numpy())).all()


def test_the_sample_data_is_small_and_overlaps():
    assert sum(p.stat().st_size for p in SAMPLE.rglob("*") if p.is_file()) < 5e6
    boxes = [shapely.box(*rasterio.open(p).bounds) for p in sorted((SAMPLE / "sheets").glob("*.tif"))]
    assert len(boxes) == 4
    assert all(a.intersection(b).area > 0 for a in boxes for b in boxes)
    with rasterio.open(sorted((SAMPLE / "sheets").glob("*.tif"))[-1]) as last:
        assert 0.02 < (last.read_masks(1) == 0).mean() < 0.5


def test_truth_polygons_are_a_coverage_that_rasterises_to_the_labels():
    cover = geopandas.read_file(SAMPLE / "truth.gpkg", layer="landcover")
    assert cover.geometry.is_valid.all()
    assert cover.geometry.area.sum() == pytest.approx(129.6**2, abs=0.01)
    for path in sorted((SAMPLE / "classes").glob("*.tif")):
        with rasterio.open(path) as dataset:
            labels = dataset.read(1)
            shapes = list(zip(cover.geometry, cover["class_id"], strict=True))
            burnt = rasterize(shapes, out_shape=labels.shape, transform=dataset.transform, fill=255, dtype="uint8")
        assert (burnt == labels).mean() > 0.9999  # centres that lie on an edge may fall to either side


def test_a_part_of_a_scene_is_the_crop_of_the_whole():
    scene = Scene(31, 30, 24, 0.2)
    whole, part = scene.tile(0, 0, 120, 150), scene.tile(37, 61, 50, 40)
    rows, cols = slice(37, 87), slice(61, 101)
    assert np.array_equal(part.labels, whole.labels[rows, cols])
    assert np.abs(part.image.astype(int) - whole.image[rows, cols]).max() <= 1
    assert np.abs(part.height - whole.height[rows, cols]).max() < 1e-3


def test_class_shares_are_like_potsdams():
    """29.6 / 25.7 / 22.6 / 15.5 / 1.8 / 4.8 per cent, over a few scenes, roughly."""
    counts = sum(
        np.bincount(Scene(s, 200, 200, 0.5).labels(0, 0, 400, 400).ravel(), minlength=6) for s in range(100, 112)
    )
    shares = 100 * counts / counts.sum()
    assert np.abs(shares - [29.6, 25.7, 22.6, 15.5, 1.8, 4.8]).max() < 6


def test_samples_with_infrared_height_and_odd_sizes(tmp_path):
    options = SampleOptions(
        seed=4, size=(301, 203), gsd=0.25, sheets=(1, 3), overlap=20, nir=True, height=True, ragged=False
    )
    paths = make_sample(tmp_path, options)
    assert len(paths) == 3
    with rasterio.open(paths[0]) as dataset:
        assert dataset.count == 4
        assert dataset.colorinterp[3].name != "alpha"
    assert sorted(p.name for p in (tmp_path / "height").iterdir())
    with pytest.raises(UsageError, match="--overlap"):
        make_sample(tmp_path, SampleOptions(size=(100, 100), overlap=200, sheets=(1, 2)))


# --- patches for training


def test_patches_and_labels_lie_on_the_same_ground(tmp_path):
    run = tmp_path / "run"
    tile([SAMPLE / "sheets"], run, TileOptions(patch_size=256, overlap="32"))
    images, masks = write_patches(run, SAMPLE / "labels")
    assert images == masks > 20
    truth = {p.stem.removesuffix("_classes"): rasterio.open(p) for p in (SAMPLE / "classes").glob("*.tif")}
    for path in sorted((run / "patches").glob("*.tif"))[::5]:
        with rasterio.open(path) as image, rasterio.open(run / "patches/labels" / path.name) as label:
            assert image.transform == label.transform
            assert image.shape == (256, 256)
            values, valid = label.read(1), image.read_masks(1) > 0
            assert (values[~valid] == NODATA).all()
            assert (values[valid] != NODATA).all()
            for dataset in truth.values():
                window = rasterio.windows.from_bounds(*image.bounds, dataset.transform).round_offsets().round_lengths()
                if (
                    window.col_off >= 0
                    and window.row_off >= 0
                    and window.col_off + 256 <= dataset.width
                    and window.row_off + 256 <= dataset.height
                ):
                    expected = dataset.read(1, window=window)
                    assert np.array_equal(values[valid], expected[valid])


def test_label_colours_are_read_even_if_they_were_recompressed():
    colours = np.array([c.colour for c in ISPRS.classes]).T[:, None]
    assert decode_labels(np.clip(colours + RNG.integers(-40, 40, colours.shape), 0, 255), "x").tolist() == [
        [0, 1, 2, 3, 4, 5]
    ]
    assert decode_labels(np.zeros((3, 1, 1), np.uint8), "x").tolist() == [[255]]
    with pytest.raises(SheetError, match="9"):
        decode_labels(np.full((1, 2, 2), 9), "x")


# --- model files


def test_a_model_survives_saving(tmp_path):
    model = load_model(shipped_model())
    save_model(tmp_path / "copy.safetensors", model.state, model.card)
    copy = load_model(tmp_path / "copy.safetensors")
    assert copy.card == model.card
    assert all(torch.equal(copy.state[k], v) for k, v in model.state.items())
    assert json.loads((tmp_path / "copy.json").read_text())["sha256"] == copy.sha256


def test_every_kind_of_model_file_gives_the_same_classes(tmp_path, blur_network):
    """TorchScript, torch.export, ONNX: one network, one answer."""
    image = RNG.integers(0, 255, (3, 150, 150)).astype(np.uint8)
    sheet = write_sheet(tmp_path / "s.tif", image)
    card = blur_network.with_suffix(".json").read_text()
    network = BlurNetwork().eval()
    example = torch.zeros(1, 3, 64, 64)
    torch.export.save(torch.export.export(network, (example,)), tmp_path / "blur.pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (example,), tmp_path / "blur.onnx", dynamo=False, input_names=["x"], output_names=["y"]
        )
    (tmp_path / "blur.json").write_text(card)
    results = []
    for path in (blur_network, tmp_path / "blur.pt2", tmp_path / "blur.onnx"):
        run = tmp_path / path.suffix[1:]
        tile([sheet], run)
        infer(run, InferOptions(model=(path,), engine="torch", precision="f32"))
        mosaic(run, MosaicOptions(vectors=False))
        results.append(rasterio.open(next((run / "out").glob("*_classes.tif"))).read(1))
    assert all((r == results[0]).mean() > 0.9999 for r in results)


def test_a_plain_state_dict_with_a_card(tmp_path):
    model = load_model(shipped_model())
    torch.save(model.state, tmp_path / "plain.pt")
    (tmp_path / "plain.json").write_text(json.dumps(model.card.to_json()))
    assert load_model(tmp_path / "plain.pt").kind == "state"


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def _pickled(path, target):
    torch.save({"x": Evil(target)}, path)
    path.with_suffix(".json").write_text(json.dumps(load_model(shipped_model()).card.to_json()))


def test_pickles_are_never_run(tmp_path):
    _pickled(tmp_path / "evil.pt", tmp_path / "ran")
    with pytest.raises(ModelError, match="not a plain state dict"):
        load_model(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()
    import pickle

    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(ModelError, match="a pickle"):
        load_model(tmp_path / "raw.pt")
    assert not (tmp_path / "ran").exists()


def test_models_that_cannot_be_used_say_why(tmp_path):
    model = load_model(shipped_model())
    cases = {
        "nan": ({**model.state, "head.bias": torch.full((6,), torch.nan)}, {}, "hold NaN"),
        "classes": (model.state, {"classes": ISPRS.to_json()[:5]}, f"do not fit {model.card.architecture}"),
        "architecture": (model.state, {"architecture": "unet_xxl"}, "known: unet_s"),
        "bands": (
            model.state,
            {"bands": ["red", "green"], "mean": [1, 1], "std": [1, 1]},
            f"do not fit {model.card.architecture}",
        ),
        "missing": (
            {k: v for k, v in model.state.items() if "head" not in k},
            {},
            f"do not fit {model.card.architecture}",
        ),
    }
    from geoseg.models.network import build_network

    for name, (state, changes, message) in cases.items():
        torch.save(state, tmp_path / f"{name}.pt")
        (tmp_path / f"{name}.json").write_text(json.dumps({**model.card.to_json(), **changes}))
        with pytest.raises(ModelError, match=message):
            build_network(load_model(tmp_path / f"{name}.pt"))
    for name, data, message in (
        ("lfs.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "LFS pointer"),
        ("cut.safetensors", shipped_model().read_bytes()[:5000], "damaged"),
        ("text.pt", b"hello", "not a model"),
        ("nocard.onnx", b"\0", "is damaged"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError, match=message):
            load_model(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": [0.0]}, "3 bands, 1 means"),
        ({"std": [0.0, 1.0, 1.0]}, "above 0"),
        ({"bands": ["red", "green", "ultraviolet"]}, "expected names out of"),
        ({"output": "votes"}, "logits or probabilities"),
        ({"gsd": 50.0}, "outside its own range"),
        ({"temperature": 0.0}, "above 0"),
        ({"classes": [{"value": 0, "name": "a", "colour": [0, 0, 0], "role": "lake"}]}, "expected one of"),
        ({"classes": [{"value": 255, "name": "a", "colour": [0, 0, 0], "role": "other"}]}, "expected 0 to 254"),
        ({"classes": []}, "at least one"),
    ],
)
def test_cards_are_checked(tmp_path, change, message):
    path = save_network(tmp_path / "n.pt", BandNetwork())
    card = path.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), **change}))
    with pytest.raises(ModelError, match=message):
        load_model(path)


def test_a_network_of_a_wrong_output_is_refused_before_any_sheet(tmp_path, geoseg):
    class Small(torch.nn.Module):
        def forward(self, x):
            return x[:, :, ::2, ::2].repeat(1, 2, 1, 1)

    path = save_network(tmp_path / "small.pt", Small())
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 80, 80), np.uint8))
    code, _, err = geoseg("run", sheet, "-o", tmp_path / "run", "--model", path, "--engine", "torch")
    assert code == 5
    assert "expected (1, 6, 64, 64)" in err
    assert not (tmp_path / "run/blocks").exists()


def test_ensembles_must_agree(tmp_path, truth_network, geoseg):
    other = save_network(tmp_path / "other.pt", BandNetwork(), gsd=0.2)
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 80, 80), np.uint8))
    code, _, err = geoseg("run", sheet, "-o", tmp_path / "run", "--model", truth_network, "--model", other)
    assert code == 5
    assert "other gsd" in err
    twin = save_network(tmp_path / "twin.pt", BandNetwork())
    assert (
        geoseg("run", sheet, "-o", tmp_path / "run", "--model", truth_network, "--model", twin, "--engine", "torch")[0]
        == 0
    )


def test_a_class_table_survives_json():
    assert ClassTable.from_json(ISPRS.to_json()) == ISPRS
    assert ISPRS.by_value(4).slug == "car"
    assert ISPRS.classes[0].slug == "impervious_surface"


def test_model_info_prints_the_card(geoseg):
    code, out, _ = geoseg("model", "info")
    assert code == 0
    assert "not good for" in out
    assert json.loads(geoseg("model", "info", "--json")[1])["margin"] == 192


def test_view_draws_a_run_and_a_raster_with_their_legend(finished, tmp_path, geoseg):
    run, _ = finished
    code, _, err = geoseg("view", run, "-o", tmp_path / "run.png", "--size", 300)
    assert code == 0, err
    code, _, err = geoseg("view", run / "out/town_classes.tif", "-o", tmp_path / "classes.png", "--size", 300)
    assert code == 0, err
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        whole, one = (rasterio.open(tmp_path / n).read() for n in ("run.png", "classes.png"))
    assert whole.shape[2] > 3 * 250
    assert one.shape[1] > one.shape[2] >= 250  # a strip with the legend below
    colours = set(map(tuple, one[:, : one.shape[2]].reshape(3, -1).T.tolist()))
    assert any(c.colour in colours for c in ISPRS.classes)
    code, _, err = geoseg("view", SAMPLE / "sheets" / "top_potsdam_2_10_RGB.tif", "-o", tmp_path / "x.png")
    assert code == 2
    assert "give a class raster" in err


def test_what_a_killed_mosaic_left_is_not_taken_for_features(finished, geoseg):
    """Found by killing at each write: half a GeoPackage under a hidden name ended the next night."""
    run = finished if isinstance(finished, Path) else finished[0]
    left = run / "out" / ".0123456789ab.tmp.gpkg"
    left.write_bytes(next((run / "out").glob("[!.]*.gpkg")).read_bytes()[:5000])
    try:
        code, _, err = geoseg("mosaic", run, "--overwrite")
        assert code == 0, err
        assert geoseg("view", run, "-o", run / "picture.png")[0] == 0
    finally:
        left.unlink()
        (run / "picture.png").unlink(missing_ok=True)


def test_the_report_is_one_page_with_everything_inside(finished):
    run, report = finished
    page = (run / "out/report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched
    assert page.count("data:image/png;base64,") >= 2
    for c in ISPRS.classes:
        assert c.name in page
        assert c.hex in page
    for name, area in report.areas.items():
        assert f"{area:,.0f}" in page, name
    for word in ("Areas", "Confidence", "Look at these first", "Made by", "Open it", "town.gpkg"):
        assert word in page


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
"""What the core and the extensions projection 2.0, classification 2.0, processing 1.2 and file 2.1 ask for, in our own words."""


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


def test_other_vector_formats_hold_the_same_features(finished, tmp_path):
    run, _ = finished
    layers = [Layer("cars", geopandas.read_file(run / "out/town.gpkg", layer="cars"), "<qgis/>", "cars")]
    names = tuple(n for n in FORMATS if n != "parquet" or find_spec("pyarrow"))
    files = write_layers(tmp_path / "town", layers, names)
    assert {f"town_cars.{n}" for n in names} <= {f.name for f in files}
    truth = layers[0].frame
    for suffix in (".fgb", ".geojson", *([".parquet"] if "parquet" in names else [])):
        read = geopandas.read_parquet if suffix == ".parquet" else geopandas.read_file
        frame = read(tmp_path / f"town_cars{suffix}").to_crs(truth.crs).set_index("id").loc[truth["id"]]
        assert shapely.hausdorff_distance(frame.geometry.to_numpy(), truth.geometry.to_numpy()).max() < 0.03
        assert frame["heading_deg"].tolist() == truth["heading_deg"].tolist()
    assert pyogrio.list_layers(tmp_path / "town_cars.pmtiles")[0][0] == "cars"
    with pytest.raises(UsageError, match="choose from"):
        check_formats(("dxf",))


CHROMIUM = next((c for c in ("chromium", "chromium-browser", "google-chrome") if shutil.which(c)), "")


def _photographed(page: Path, picture: Path) -> np.ndarray:
    """What headless Chromium shows of a local page."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900", "--hide-scrollbars"]
    flags = ["--virtual-time-budget=8000", f"--user-data-dir={picture.parent / 'profile'}", f"--screenshot={picture}"]
    done = subprocess.run([*command, *flags, page.as_uri()], capture_output=True, timeout=120, check=False)
    assert picture.is_file(), done.stderr[-500:]
    return np.asarray(Image.open(picture).convert("RGB"))


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium")
def test_report_and_web_map_open_in_a_browser(finished, tmp_path):
    run, _ = finished
    page = web_map(run, tmp_path / "map.html")
    text = page.read_text()
    assert "http://" not in text
    assert "https://" not in text
    for source in (page, run / "out/report.html"):
        picture = _photographed(source, tmp_path / f"{source.stem}.png")
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 2000  # photo and layers, no blank page
    middle = _photographed(page, tmp_path / "again.png")[200:700, 400:900].astype(int)
    roofs = (middle[..., 0] - middle[..., 1:].max(-1)) > 60
    assert roofs.sum() > 200  # red outlines of buildings


def test_layers_are_chosen_and_buildings_left_as_they_are(finished):
    run, _ = finished
    options = MosaicOptions(name="plain", min_area=0.5, layers=("buildings", "cars"), square=False)
    report = mosaic(run, options)
    assert set(report.features) == {"buildings", "cars"}
    frame = geopandas.read_file(run / "out/plain.gpkg", layer="buildings")
    assert set(frame["status"]) == {"simplified"}
    assert frame["run_id"].nunique() == 1
    assert len(frame["run_id"].iloc[0]) == 12
    with pytest.raises(UsageError, match="choose from"):
        parse.names("--layers", GROUPS)("houses")
