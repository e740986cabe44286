"""geoseg mosaic."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
from support import write_sheet

from geoseg import parse
from geoseg.errors import UsageError
from geoseg.layers import GROUPS
from geoseg.options import MosaicOptions
from geoseg.stages.mosaic.mosaic import mosaic


def test_equal_runs_give_equal_bytes(finished_copy):
    run, _ = finished_copy
    before = (run / "out/town.gpkg").read_bytes()
    mosaic(run, MosaicOptions(min_area=0.5, all_cars=True, overwrite=True))
    assert (run / "out/town.gpkg").read_bytes() == before


def test_what_a_killed_mosaic_left_is_not_taken_for_features(finished_copy, geoseg):
    """Found by killing at each write: half a GeoPackage under a hidden name ended the next night."""
    run, _ = finished_copy
    left = run / "out" / ".0123456789ab.tmp.gpkg"
    left.write_bytes(next((run / "out").glob("[!.]*.gpkg")).read_bytes()[:5000])
    code, _, err = geoseg("mosaic", run, "--overwrite")
    assert code == 0, err
    assert geoseg("view", run, "-o", run / "picture.png")[0] == 0


def test_layers_are_chosen_and_buildings_left_as_they_are(finished_copy):
    run, _ = finished_copy
    options = MosaicOptions(name="plain", min_area=0.5, layers=("buildings", "cars"), square=False)
    report = mosaic(run, options)
    assert set(report.features) == {"buildings", "cars"}
    frame = geopandas.read_file(run / "out/plain.gpkg", layer="buildings")
    assert set(frame["status"]) == {"simplified"}
    assert frame["run_id"].nunique() == 1
    assert len(frame["run_id"].iloc[0]) == 12
    with pytest.raises(UsageError, match="choose from"):
        parse.names("--layers", GROUPS)("houses")


def test_an_output_name_stays_in_its_folder(tmp_path, truth_network, geoseg):
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 30, 30), np.uint8))
    geoseg("run", sheet, "-o", tmp_path / "run", "--model", truth_network, "--engine", "torch")
    for name in ("../x", "/tmp/x", ".x"):
        code, _, err = geoseg("mosaic", tmp_path / "run", "--name", name)
        assert code == 2
        assert "not the start of a file name" in err


def test_the_command_smooths_vectors_only_and_asks_for_shares(tmp_path, blur_network, geoseg) -> None:
    import geopandas

    pixels = np.random.default_rng(0).integers(0, 255, (3, 160, 160), np.uint8)
    sheet = write_sheet(tmp_path / "s.tif", pixels)
    run = tmp_path / "run"
    plain = ["--model", blur_network, "--engine", "torch", "--precision", "f32"]
    assert geoseg("run", sheet, "-o", run, *plain, "--block-size", 64)[0] == 0
    code, _, err = geoseg("mosaic", run, "--smooth", 0.5)
    assert code == 1
    assert "--probabilities" in err
    assert geoseg("infer", run, *plain, "--probabilities")[0] == 0
    counts = []
    for smooth in (0, 0.5):
        assert geoseg("mosaic", run, "--smooth", smooth, "--min-area", 0)[0] == 0
        counts.append(len(geopandas.read_file(run / "out/run.gpkg", layer="landcover")))
        rasters = (run / "out/run_classes.tif").read_bytes()
    assert counts[1] < 0.7 * counts[0]
    assert geoseg("mosaic", run)[0] == 0
    assert (run / "out/run_classes.tif").read_bytes() == rasters
