"""Faults that a review found, each pinned down before it was mended."""

from __future__ import annotations

import importlib
import json
import os

import numpy as np
import pytest
import rasterio
import torch
from conftest import CRS, PLACE, BandNetwork, class_raster, moved, save_network, write_sheet
from rasterio.transform import Affine

from geoseg.classes import ISPRS
from geoseg.errors import ModelError
from geoseg.options import InferOptions, TileOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import MosaicOptions, mosaic
from geoseg.stages.tile.tile import tile

RNG = np.random.default_rng(8)


class Same(torch.nn.Module):
    """Gives back its own input: scores that share memory with a lane's patch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_scores_may_be_the_patch_itself(tmp_path):
    network = save_network(tmp_path / "same.pt", Same(), classes=ISPRS.to_json()[:3])
    image = RNG.integers(0, 255, (3, 200, 210)).astype(np.uint8)
    sheet = write_sheet(tmp_path / "s.tif", image)
    tile([sheet], tmp_path / "run", TileOptions(block_size=64))
    infer(tmp_path / "run", InferOptions(model=(network,), engine="torch", threads=1))
    mosaic(tmp_path / "run", MosaicOptions(vectors=False))
    found, best = class_raster(tmp_path / "run")[0], image.argmax(0)
    tie = np.sort(image, 0)[-1] == np.sort(image, 0)[-2]
    assert np.array_equal(found[~tie], best[~tie])


def test_another_card_makes_blocks_stale(tmp_path):
    network = save_network(tmp_path / "n.pt", BandNetwork())
    sheet = write_sheet(tmp_path / "s.tif", RNG.integers(0, 6, (3, 90, 90)).astype(np.uint8))
    tile([sheet], tmp_path / "run")
    options = InferOptions(model=(network,), engine="torch")
    infer(tmp_path / "run", options)
    card = json.loads(network.with_suffix(".json").read_text())
    card["classes"][2]["value"] = 7
    network.with_suffix(".json").write_text(json.dumps(card))
    assert infer(tmp_path / "run", options).computed == 1
    mosaic(tmp_path / "run")
    assert 7 in class_raster(tmp_path / "run")[0]


def test_another_mask_makes_blocks_stale_and_a_bad_one_costs_its_sheet(tmp_path, truth_network, geoseg):
    image = RNG.integers(0, 6, (3, 90, 90)).astype(np.uint8)
    write_sheet(tmp_path / "in/a.tif", image)
    write_sheet(tmp_path / "in/b.tif", image, place=moved(PLACE, 90, 0))
    write_sheet(tmp_path / "in/a.tif.msk", np.full((90, 90), 255, np.uint8))
    words = ["run", tmp_path / "in", "-o", tmp_path / "run", "--model", truth_network, "--engine", "torch"]
    assert geoseg(*words)[0] == 0
    mask = np.full((90, 90), 255, np.uint8)
    mask[:40] = 0
    write_sheet(tmp_path / "in/a.tif.msk", mask)
    assert geoseg(*words)[0] == 0
    assert (class_raster(tmp_path / "run")[0][:40, :90] == 255).all()
    (tmp_path / "in/a.tif.msk").write_text("not a mask")
    code, _, err = geoseg(*words)
    assert code == 3
    assert "has a .msk that is not a TIFF" in err
    assert np.array_equal(class_raster(tmp_path / "run")[0], image[0])


def test_sheets_of_one_name_keep_a_raster_each(tmp_path, truth_network):
    paths = []
    for i, name in enumerate(("x/a.tif", "y/a.tif", "z/a_2.tif", "w/A.tif")):
        image = np.full((3, 40, 40), i, np.uint8)
        paths.append(write_sheet(tmp_path / name, image, place=moved(PLACE, 50 * i, 0)))
    tile(paths, tmp_path / "run")
    infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))
    mosaic(tmp_path / "run", MosaicOptions(vectors=False))
    rasters = sorted((tmp_path / "run/out/sheets").glob("*.tif"))
    assert len({p.name.casefold() for p in rasters}) == 4
    assert sorted(int(rasterio.open(p).read(1)[0, 0]) for p in rasters) == [0, 1, 2, 3]


def test_damage_in_the_precision_sample_costs_that_sheet(tmp_path, blur_network, monkeypatch):
    monkeypatch.setattr("geoseg.predict.choice.supports_bf16", lambda engine: True)
    image = RNG.integers(0, 255, (3, 200, 200)).astype(np.uint8)
    write_sheet(tmp_path / "in/a.tif", image)
    bad = write_sheet(tmp_path / "in/b.tif", image, place=moved(PLACE, 200, 0), compress="deflate")
    data = bytearray(bad.read_bytes())
    data[3000:-3000] = os.urandom(len(data) - 6000)
    bad.write_bytes(data)
    tile([tmp_path / "in"], tmp_path / "run")
    report = infer(tmp_path / "run", InferOptions(model=(blur_network,), engine="torch"))
    assert [p.endswith("b.tif") for p in report.quarantined] == [True]
    assert report.computed > 0


def test_an_alien_zone_does_not_stop_a_run_with_a_given_gsd(tmp_path):
    image = np.zeros((3, 30, 30), np.uint8)
    write_sheet(tmp_path / "in/a.tif", image, crs="EPSG:32615", place=Affine(0.1, 0, 500_000, 0, -0.1, 4_000_000))
    for i in range(2):
        write_sheet(
            tmp_path / f"in/b{i}.tif",
            image,
            crs="EPSG:32610",
            place=Affine(0.1, 0, 500_000 + 3 * i, 0, -0.1, 4_000_000),
        )
    plan = tile([tmp_path / "in"], tmp_path / "run", TileOptions(gsd=0.2)).plan
    assert len(plan.sheets) == 2
    assert len(plan.quarantined) == 1


def test_the_native_gsd_warps_nothing(tmp_path):
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 30, 30), np.uint8), place=moved(PLACE, 0.3, 0.7))
    plan = tile([sheet], tmp_path / "run", TileOptions(gsd=0.1)).plan
    assert plan.sheets[0].mode == "direct"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bbox", "13,52,14,53"], "meet no sheet"),
        (["--bands", "0,1,2"], "expected numbers from 1 on"),
        (["--gsd", "0"], "--gsd"),
        (["--overlap", "inf%"], "not a number of pixels or per cent"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(tmp_path, geoseg, words, message):
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 30, 30), np.uint8))
    code, _, err = geoseg("tile", sheet, "-o", tmp_path / "run", *words)
    assert code == 2
    assert message in err


def test_a_second_tile_does_not_ignore_what_it_cannot_do(tmp_path, geoseg):
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 30, 30), np.uint8))
    base = ["tile", sheet, "-o", tmp_path / "run"]
    assert geoseg(*base)[0] == 0
    for words in (["--gsd", "0.5"], ["--crs", "EPSG:25832"], ["--patch-size", "512"]):
        assert geoseg(*base, *words)[0] == 2, words
    assert geoseg(*base, "--gsd", "0.1", "--crs", CRS)[0] == 0
    other = ["tile", sheet, "-o", tmp_path / "other"]
    assert geoseg(*other, "--patch-size", "256", "--overlap", "32")[0] == 0
    assert geoseg(*other, "--overlap", "32")[0] == 0
    assert geoseg(*other, "--overlap", "64")[0] == 2


def test_outputs_of_an_earlier_state_go(tmp_path, truth_network):
    sheet = write_sheet(tmp_path / "s.tif", RNG.integers(0, 6, (3, 60, 60)).astype(np.uint8))
    run = tmp_path / "run"
    tile([sheet], run)
    infer(run, InferOptions(model=(truth_network,), engine="torch"))
    mosaic(run, MosaicOptions(name="one"))
    (run / "out/mine.txt").write_text("the user's own file stays")
    mosaic(run, MosaicOptions(name="two", vectors=False))
    names = {p.name for p in (run / "out").iterdir()}
    assert not [n for n in names if n.startswith("one") or n.endswith(".gpkg")]
    assert "mine.txt" in names


def test_an_output_name_stays_in_its_folder(tmp_path, truth_network, geoseg):
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 30, 30), np.uint8))
    geoseg("run", sheet, "-o", tmp_path / "run", "--model", truth_network, "--engine", "torch")
    for name in ("../x", "/tmp/x", ".x"):
        code, _, err = geoseg("mosaic", tmp_path / "run", "--name", name)
        assert code == 2
        assert "not the start of a file name" in err


def test_a_sheet_written_while_it_is_read_is_set_aside(tmp_path, truth_network, monkeypatch):
    image = RNG.integers(0, 6, (3, 60, 60)).astype(np.uint8)
    write_sheet(tmp_path / "in/a.tif", image)
    late = write_sheet(tmp_path / "in/b.tif", image, place=moved(PLACE, 60, 0))
    tile([tmp_path / "in"], tmp_path / "run")
    from geoseg.sheets.photo import Source

    read = Source.read_sheet

    def touching(self, sheet, part):
        found = read(self, sheet, part)
        if sheet.path == str(late):
            os.utime(late, ns=(5, 5))
        return found

    monkeypatch.setattr(Source, "read_sheet", touching)
    report = infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch", precision="f32"))
    assert [p.endswith("b.tif") for p in report.quarantined] == [True]
    assert "written while it was read" in Run(tmp_path / "run").plan.quarantined[0].reason
    mosaic(tmp_path / "run")
    assert np.array_equal(class_raster(tmp_path / "run")[0], image[0])


def test_damaged_models_are_model_errors(tmp_path, truth_network):
    from geoseg.models.files import load_model

    cut = tmp_path / "cut.pt"
    cut.write_bytes(truth_network.read_bytes()[:2000])
    with pytest.raises(ModelError, match="is damaged"):
        load_model(cut)
    listed = save_network(tmp_path / "listed.pt", BandNetwork())
    listed.with_suffix(".json").write_text("[1]")
    with pytest.raises(ModelError, match="expected a mapping"):
        load_model(listed)


def test_an_unforeseen_error_is_one_line(tmp_path, geoseg, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(importlib.import_module("geoseg.stages.tile.tile"), "find_sheets", fail)
    code, _, err = geoseg("tile", "x.tif", "-o", tmp_path / "run")
    assert code == 1
    assert "unexpected ZeroDivisionError: surprise" in err
    assert "Traceback" not in err
