"""geoseg evaluate --vectors: files in any units, single layers, whole runs."""

from __future__ import annotations

import geopandas
import pytest
import shapely
from click.testing import CliRunner
from shapely import affinity

from geoseg.cli.evaluate import command
from geoseg.errors import UsageError
from geoseg.stages.evaluate.vectors import evaluate_vectors

ELL = shapely.Polygon([(0, 0), (10, 0), (10, 4), (4, 4), (4, 9), (0, 9)])


def _file(path, frames: dict[str, list], crs: str = "EPSG:25833"):
    for name, shapes in frames.items():
        geopandas.GeoDataFrame(geometry=shapes, crs=crs).to_file(path, layer=name)
    return path


def test_files_are_compared_in_metres_whatever_their_units(tmp_path) -> None:
    """The truth in UTM against the same shapes in feet and in Web Mercator: lengths are metres on the ground."""
    shapes = [affinity.translate(s, 368000, 5808000) for s in (ELL, affinity.translate(ELL, 40, 9))]
    truth = _file(tmp_path / "truth.gpkg", {"buildings": shapes})
    grown = geopandas.GeoSeries([s.buffer(0.5, join_style="mitre") for s in shapes], crs="EPSG:25833")
    reference = evaluate_vectors(_file(tmp_path / "utm.gpkg", {"buildings": list(grown)}), truth)
    feet = "+proj=utm +zone=33 +ellps=GRS80 +units=us-ft +type=crs"
    for crs in ("EPSG:3857", feet):
        path = _file(tmp_path / f"{len(crs)}.gpkg", {"buildings": list(grown.to_crs(crs))}, crs)
        there = evaluate_vectors(path, truth)["layers"]["buildings"]
        here = reference["layers"]["buildings"]
        assert there["polis_m"] == pytest.approx(here["polis_m"], rel=0.01)
        assert there["f1"] == here["f1"] == 1


def test_evaluate_reads_runs_single_layers_and_says_what_it_lacks(tmp_path) -> None:
    truth = _file(tmp_path / "truth.gpkg", {"buildings": [ELL], "landcover": [ELL, shapely.box(10, 0, 20, 4)]})
    geopandas.GeoDataFrame(geometry=[ELL], crs="EPSG:25833").to_file(tmp_path / "roofs.fgb")
    result = CliRunner().invoke(command, [str(tmp_path / "roofs.fgb"), str(truth), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "| c iou | 1.000 |" in result.output
    assert (tmp_path / "out/evaluation.json").is_file()
    report = evaluate_vectors(truth, truth)
    assert report["coverage"]["edges_match"]
    assert report["coverage"]["overlap_m2"] == 0
    with pytest.raises(UsageError, match="--layer"):
        evaluate_vectors(_file(tmp_path / "odd.gpkg", {"cars": [ELL], "other": [ELL]}), truth)
    (tmp_path / "no.gpkg").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="is no vector file"):
        evaluate_vectors(tmp_path / "no.gpkg", truth)


def test_the_only_layer_of_a_file_keeps_a_known_name(tmp_path) -> None:
    """Trees stay trees, whatever --layer says; only a name that means nothing is replaced by it."""
    trees = _file(tmp_path / "trees.gpkg", {"trees": [ELL]})
    assert list(evaluate_vectors(trees, trees)["layers"]) == ["trees"]
    odd = _file(tmp_path / "odd.gpkg", {"roofs": [ELL]})
    assert list(evaluate_vectors(odd, odd)["layers"]) == ["buildings"]
