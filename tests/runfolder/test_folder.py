"""`Run`: every path of a run, and what lies there now."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import geopandas
import pytest
import shapely
from plans import a_plan
from support import CRS

from geoseg.commit import commit_state
from geoseg.errors import Busy, PlanError
from geoseg.runfolder.folder import Run
from geoseg.runfolder.paths import RunPaths


@pytest.fixture
def run(tmp_path) -> Run:
    """A run with a plan."""
    run = Run(tmp_path / "town")
    run.save(a_plan())
    return run


def _finish(run: Run, *files: str) -> None:
    commit_state(run.run_json, {"files": list(files), "areas_m2": {"a <b>": 1234.0}})


def test_every_path_lies_in_the_folder_under_a_name_of_its_own(tmp_path) -> None:
    run = Run(tmp_path)
    found = [
        getattr(run, name)
        for name, one in {**vars(RunPaths), **vars(Run)}.items()
        if isinstance(one, property) and one.fget.__annotations__.get("return") == "Path"
        if name not in ("classes", "confidence")
    ]
    assert len(found) == len(set(found)) >= 12
    assert all(p.is_relative_to(tmp_path) for p in found)
    assert not list(tmp_path.iterdir())  # naming a path makes nothing


@pytest.mark.parametrize("given", [str, Path, Run, lambda p: Run(Path(p))])
def test_a_run_is_itself_or_the_folder_of_one(given) -> None:
    assert Run.of(given("some/run") if given is not Run else Run(Path("some/run"))) == Run(Path("some/run"))


def test_a_plan_is_read_once_and_again_when_the_file_changes(run) -> None:
    first = run.plan
    assert run.plan is first
    assert Run(run.folder).plan is first
    run.save(replace(first, revision=2))
    assert run.plan.revision == 2
    run.plan_json.unlink()
    with pytest.raises(PlanError, match=r"holds no plan\.json"):
        run.plan
    run.save(first)
    assert run.plan == first


def test_no_plan_is_none_and_a_damaged_one_an_error(run, tmp_path) -> None:
    assert Run(tmp_path / "nothing").plan_or_none() is None
    assert run.plan_or_none() == run.plan
    run.plan_json.write_text("{")
    with pytest.raises(PlanError, match="plan.json"):
        run.plan_or_none()


def test_what_infer_left_is_asked_for_by_name(run) -> None:
    for name in ("job", "table", "models"):
        with pytest.raises(PlanError, match="infer"):
            getattr(run, name)
    assert run.state().stale == list(run.state().blocks) != []  # a planned run: nothing is fresh


def test_outputs_are_those_of_the_finished_mosaic(run) -> None:
    with pytest.raises(PlanError):
        run.finished
    _finish(run, "out/x_classes.tif", "out/x_confidence.tif", "out/sheets/s_classes.tif")
    assert run.classes == run.out / "x_classes.tif"
    assert run.confidence == run.out / "x_confidence.tif"
    assert run.areas == {"a <b>": 1234.0}
    _finish(run, "out/sheets/s_classes.tif")
    with pytest.raises(PlanError, match="_classes.tif"):
        run.classes


def test_layers_are_read_by_name_and_an_unknown_one_names_the_others(run) -> None:
    with pytest.raises(PlanError, match="has no feature layers"):
        run.layer("cars")
    run.out.mkdir()
    frame = geopandas.GeoDataFrame({"id": ["a"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=CRS)
    for name in ("x_exact.gpkg", ".0123456789ab.tmp.gpkg", "x.gpkg"):
        frame.to_file(run.out / name, layer="cars" if name == "x.gpkg" else "wrong")
    assert run.feature_files == [run.out / "x.gpkg"]
    assert run.layer("cars")["id"].tolist() == ["a"]
    with pytest.raises(PlanError, match="has no layer 'trees' .*cars"):
        run.layer("trees")
    _finish(run, "out/x.gpkg", "out/x_exact.gpkg")
    shutil.copy(run.out / "x_exact.gpkg", run.out / "a copy.gpkg")  # a user's, which comes first by name
    assert run.feature_file == run.out / "x.gpkg"


def test_a_run_may_be_named_exact(run) -> None:
    run.out.mkdir()
    for name in ("town_exact.gpkg", "town_exact_exact.gpkg"):
        (run.out / name).touch()
    assert run.feature_files == [run.out / "town_exact.gpkg"]


def test_one_at_a_time_works_on_a_run(run) -> None:
    with run.lock(), pytest.raises(Busy), run.lock():
        pass
    with run.lock(), run.lock("mosaic"):
        pass


def test_a_notebook_shows_picture_areas_and_files_and_nothing_is_taken_for_html(run, tmp_path) -> None:
    assert "not finished" in run._repr_html_()
    _finish(run, "out/<x>.gpkg", "out/sheets/s_classes.tif")
    shown = run._repr_html_()
    assert "a &lt;b&gt;" in shown
    assert "1,234 m²" in shown
    assert "&lt;x&gt;.gpkg" in shown
    assert "s_classes" not in shown
    assert "<img" not in shown
    run.out.mkdir(exist_ok=True)
    (run.out / "report.html").write_text('<p><img class="a" src="data:image/png;base64,QUJD"></p>')
    assert '<img src="data:image/png;base64,QUJD"' in run._repr_html_()
    odd = Run(tmp_path / "<script>")
    assert "<script>" not in odd._repr_html_()
