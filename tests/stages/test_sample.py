"""The sample data."""

from __future__ import annotations

import json
import subprocess
import sys

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.warp
import shapely
from rasterio.features import rasterize
from support import SAMPLE

from geoseg.errors import UsageError
from geoseg.stages.sample import SampleOptions, make_sample


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
