"""geoseg view."""

from __future__ import annotations

import warnings

import rasterio
import rasterio.warp
from support import SAMPLE

from geoseg.classes import ISPRS


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
    assert any(c.drawn in colours for c in ISPRS.classes)
    code, _, err = geoseg("view", SAMPLE / "sheets" / "top_potsdam_2_10_RGB.tif", "-o", tmp_path / "x.png")
    assert code == 2
    assert "give a class raster" in err
