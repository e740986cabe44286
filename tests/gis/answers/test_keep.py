"""Verdicts and edits outlive the GeoPackage that they were written into."""

from __future__ import annotations

import importlib
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import geopandas
import pytest
import shapely
from support import PLACE, ROOT
from towns import OLD, made

from geoseg.classes import ISPRS
from geoseg.errors import PlanError, UsageError
from geoseg.gis.answers.answers import answers_hash, read_answers
from geoseg.gis.answers.keep import take_answers
from geoseg.options import MosaicOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.evaluate.from_review import evaluate_review
from geoseg.stages.look.status import status
from geoseg.stages.mosaic.inputs import load_inputs
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.mosaic.work import at_work, load_context
from geoseg.work.local import LOCAL

work = importlib.import_module("geoseg.stages.mosaic.mosaic")  # the package has a function of this name
OPTIONS = {"name": "town", "sheet_rasters": False, "review": 20}
NEW = shapely.box(PLACE.c + 45, PLACE.f - 48, PLACE.c + 52, PLACE.f - 40)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory) -> Path:
    """A finished run of a small town with a table review."""
    return made(tmp_path_factory.mktemp("kept") / "run", OLD, review=20)


@pytest.fixture
def run(untouched, tmp_path) -> Run:
    shutil.copytree(untouched, tmp_path / "run")
    return Run(tmp_path / "run")


def edit(package: Path, *acts: tuple[str, tuple]) -> None:
    """Change a GeoPackage in place, without the triggers of R-trees, which need functions of GDAL."""
    with closing(sqlite3.connect(package)) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        for act, values in acts:
            database.execute(act, values)


def blob(shape: shapely.Geometry, package: Path, layer: str) -> bytes:
    with closing(sqlite3.connect(package)) as database:
        (system,) = database.execute(
            "SELECT srs_id FROM gpkg_geometry_columns WHERE table_name = ?", (layer,)
        ).fetchone()
    return b"GP\0\1" + int(system).to_bytes(4, "little") + shapely.to_wkb(shape)


def all_edits(package: Path) -> list[tuple[str, tuple]]:
    """One building is gone, one was moved, one is new; a tree is none; two verdicts."""
    houses = geopandas.read_file(package, layer="buildings").sort_values("id").reset_index(drop=True)
    moved = shapely.affinity.translate(houses.geometry[1], 2, 0)
    tree = geopandas.read_file(package, layer="trees").id[0]
    return [
        ("DELETE FROM buildings WHERE id = ?", (houses.id[0],)),
        ("UPDATE buildings SET geom = ? WHERE id = ?", (blob(moved, package, "buildings"), houses.id[1])),
        ("INSERT INTO buildings (geom) VALUES (?)", (blob(NEW, package, "buildings"),)),
        ("UPDATE trees SET class = 'low vegetation' WHERE id = ?", (tree,)),
        ("UPDATE review SET verdict = 'ok' WHERE rank = 1", ()),
        ("UPDATE review SET verdict = 'wrong', should_be = 'tree' WHERE rank = 2", ()),
    ]


def test_what_was_edited_in_place_is_kept_once_and_said_as_ground(run: Run) -> None:
    package = run.out / "town.gpkg"
    houses = geopandas.read_file(package, layer="buildings").sort_values("id").reset_index(drop=True)
    edit(package, *all_edits(package))
    mosaic(run, MosaicOptions(**OPTIONS, simplify=0.4))
    found = read_answers(run, run.plan.grid.crs)
    assert found.review[["verdict", "should_be"]].fillna("").to_numpy().tolist() == [["ok", ""], ["wrong", "tree"]]
    said = [(r["edit"], r["says"], r["class"], round(r["geometry"].area, 1)) for _, r in found.edits.iterrows()]
    strip = 2 * (houses.geometry[1].bounds[3] - houses.geometry[1].bounds[1])
    assert sorted(said) == sorted(
        [
            ("deleted", "is not", "building", round(houses.geometry[0].area, 1)),
            ("moved", "is", "building", round(houses.geometry[1].area, 1)),
            ("moved", "is not", "building", pytest.approx(strip, abs=0.2)),
            ("added", "is", "building", 56.0),
            ("reclassified", "is", "low vegetation", pytest.approx(said[-1][3])),
        ]
    )
    before = run.answers_gpkg.read_bytes()
    mosaic(run, MosaicOptions(**OPTIONS, simplify=0.4, overwrite=True))
    assert run.answers_gpkg.read_bytes() == before
    assert len(list(run.originals.glob("*.gz"))) == 2


def test_the_same_copy_twice_adds_nothing_and_a_second_thought_counts(run: Run, tmp_path) -> None:
    copy = Path(shutil.copy(run.out / "town.gpkg", tmp_path / "copy.gpkg"))
    edit(copy, *all_edits(copy))
    crs = run.plan.grid.crs
    assert take_answers(run, copy, crs, ISPRS).new == 6
    before = run.answers_gpkg.read_bytes()
    assert take_answers(run, copy, crs, ISPRS).new == 0
    assert run.answers_gpkg.read_bytes() == before
    edit(copy, ("UPDATE review SET verdict = 'wrong' WHERE rank = 1", ()))
    assert take_answers(run, copy, crs, ISPRS).new == 1
    assert read_answers(run, crs).review["verdict"].tolist().count("wrong") == 2
    assert len(geopandas.read_file(run.answers_gpkg, layer="review")) == 3


def test_a_file_that_was_only_opened_holds_no_edits(run: Run) -> None:
    package = run.out / "town.gpkg"
    with closing(sqlite3.connect(package)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("UPDATE gpkg_contents SET last_change = '2026-11-28T00:00:00.000Z'")
        database.commit()
        database.execute("PRAGMA journal_mode = DELETE")
    mosaic(run, MosaicOptions(**OPTIONS, simplify=0.4))
    assert not run.answers_gpkg.exists()
    assert not list(run.out.glob("*.bak"))


def test_a_map_of_another_run_is_refused_with_the_cure_and_stays(run: Run, tmp_path) -> None:
    other = made(tmp_path / "other", OLD, review=5)
    package = run.out / "town.gpkg"
    shutil.copy(other / "out/town.gpkg", package)
    edit(package, ("UPDATE review SET verdict = 'ok' WHERE rank = 1", ()))
    before = package.read_bytes()
    with pytest.raises(UsageError, match=r"town\.gpkg: was made by run .*, expected .* \(move it elsewhere"):
        mosaic(run, MosaicOptions(**OPTIONS, simplify=0.4))
    assert package.read_bytes() == before
    assert run.run_json.is_file()


def test_without_an_original_verdicts_are_kept_and_a_copy_of_the_file(run: Run, caplog) -> None:
    shutil.rmtree(run.originals)
    package = run.out / "town.gpkg"
    edit(package, *all_edits(package))
    mosaic(run, MosaicOptions(**OPTIONS, simplify=0.4))
    assert len(read_answers(run, run.plan.grid.crs).review) == 2
    (copy,) = run.out.glob("*.bak")
    assert "edits cannot be told" in caplog.text
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT count(*) FROM buildings").fetchone() == (len(OLD.buildings),)


def test_verdicts_on_the_same_pixels_stand_in_the_next_review(run: Run) -> None:
    package = run.out / "town.gpkg"
    first = geopandas.read_file(package, layer="review")
    one, two = first[first["sampled"]]["id"][:2]
    edit(
        package,
        ("UPDATE review SET verdict = 'ok' WHERE id = ?", (one,)),
        ("UPDATE review SET should_be = 'clutter' WHERE id = ?", (two,)),
    )
    mosaic(run, MosaicOptions(**OPTIONS, simplify=0.4))
    second = geopandas.read_file(package, layer="review").set_index("id")
    assert set(second[second["sampled"]].index) == set(first[first["sampled"]]["id"])
    assert second.loc[[one, two], ["verdict", "should_be"]].fillna("").to_numpy().tolist() == [
        ["ok", ""],
        ["should_be", "clutter"],
    ]
    assert second["verdict"].notna().sum() == 2
    assert mosaic(run, MosaicOptions(**OPTIONS, simplify=0.4)).skipped
    mosaic(run, MosaicOptions(**OPTIONS, simplify=0.5))
    assert len(read_answers(run, run.plan.grid.crs).review) == 2


def test_from_review_takes_verdicts_that_were_kept_for_the_same_map(run: Run, tmp_path) -> None:
    copy = Path(shutil.copy(run.out / "town.gpkg", tmp_path / "copy.gpkg"))
    edit(copy, ("UPDATE review SET verdict = 'ok' WHERE sampled AND rank % 2", ()))
    take_answers(run, copy, run.plan.grid.crs, ISPRS)
    edit(copy, ("UPDATE review SET verdict = CASE WHEN rank % 2 THEN NULL ELSE 'ok' END WHERE sampled", ()))
    report = evaluate_review(copy, run)
    assert report["without_verdict"] == 0
    assert json.dumps(report["overall_accuracy"]["value"]) == "1.0"
    assert evaluate_review(copy)["without_verdict"] > 0


def test_what_is_saved_while_a_mosaic_is_at_work_is_kept_too(run: Run, monkeypatch, caplog) -> None:
    package, whole = run.out / "town.gpkg", work.add_review

    def saved_meanwhile(*args) -> None:
        edit(package, *all_edits(package))
        edit(package, ("CREATE TABLE mine (a)", ()))
        whole(*args)

    monkeypatch.setattr(work, "add_review", saved_meanwhile)
    mosaic(run, MosaicOptions(**OPTIONS, simplify=0.4))
    found = read_answers(run, run.plan.grid.crs)
    assert (len(found.review), len(found.edits)) == (2, 5)
    assert "was also changed (table mine); a copy of it is town.edited-" in caplog.text
    monkeypatch.setattr(work, "add_review", lambda *args: (edit(package, *all_edits(package)[-1:]), whole(*args)))
    mosaic(run, MosaicOptions(name="other", sheet_rasters=False))  # without a review: town.gpkg goes
    assert not package.exists()
    assert len(read_answers(run, run.plan.grid.crs).review) == 3


OTHERS = {
    "attributes of buildings": "UPDATE buildings SET confidence = 1 WHERE fid = 1",
    "features of trees without a place": "UPDATE trees SET geom = NULL WHERE fid = 1",
    "table mine": "CREATE TABLE mine (a)",
    "columns of buildings: street": "ALTER TABLE buildings ADD COLUMN street TEXT",
    "styles": "UPDATE layer_styles SET styleQML = 'mine' WHERE f_table_name = 'trees'",
    "places without a verdict": "INSERT INTO review (geom) SELECT geom FROM buildings LIMIT 1",
    "attributes of review": "UPDATE review SET reason = 'mine' WHERE rank = 1",
}


def test_what_is_no_answer_is_named_so_that_the_whole_file_is_kept(run: Run, tmp_path) -> None:
    crs = run.plan.grid.crs
    for words, act in OTHERS.items():
        copy = Path(shutil.copy(run.out / "town.gpkg", tmp_path / "copy.gpkg"))
        edit(copy, (act, ()))
        kept = take_answers(run, copy, crs, ISPRS)
        assert (kept.new, kept.others) == (0, (words,)), words
    copy = Path(shutil.copy(run.out / "town.gpkg", tmp_path / "copy.gpkg"))
    edit(copy, *all_edits(copy))
    assert take_answers(run, copy, crs, ISPRS).others == ()


def test_notes_and_places_of_ones_own_are_answers(run: Run, tmp_path) -> None:
    copy = Path(shutil.copy(run.out / "town.gpkg", tmp_path / "copy.gpkg"))
    edit(
        copy,
        ("UPDATE review SET note = 'a shed?' WHERE rank = 1", ()),
        ("INSERT INTO review (geom, should_be) VALUES (?, 'tree')", (blob(NEW, copy, "review"),)),
        ("UPDATE gpkg_ogr_contents SET feature_count = feature_count + 1 WHERE table_name = 'review'", ()),
    )
    kept = take_answers(run, copy, run.plan.grid.crs, ISPRS)
    assert (kept.new, kept.others) == (2, ())
    found = read_answers(run, run.plan.grid.crs)
    assert sorted(found.review["note"].fillna("")) == ["", "a shed?"]
    assert [s.area for s in found.shapes] == [pytest.approx(56)]  # a note is no verdict: it is asked again


def test_an_idle_mosaic_leaves_an_edited_map_as_it_is(run: Run) -> None:
    package, options = run.out / "town.gpkg", MosaicOptions(**OPTIONS)
    edit(package, *all_edits(package), ("CREATE TABLE mine AS SELECT zeroblob(90000) AS a", ()))
    before = package.read_bytes()
    for _ in range(2):
        assert mosaic(run, options).skipped
        assert package.read_bytes() == before
        assert status(run).finished
    assert len(read_answers(run, run.plan.grid.crs).review) == 2
    assert not mosaic(run, replace(options, overwrite=True)).skipped
    assert package.read_bytes() != before
    assert len(list(run.out.glob("*.bak"))) == 1


def test_copies_of_earlier_maps_are_taken_and_those_of_other_runs_are_not(run: Run, tmp_path) -> None:
    copies = []
    for turn in range(5):
        mosaic(run, MosaicOptions(**OPTIONS, simplify=0.3 + 0.1 * turn))
        copies.append(Path(shutil.copy(run.out / "town.gpkg", tmp_path / f"{turn}.gpkg")))
    for copy in copies:
        edit(copy, *all_edits(copy))
    found = [take_answers(run, copy, run.plan.grid.crs, ISPRS) for copy in copies]
    assert [kept.compared for kept in found] == [False, False, True, True, True]
    assert [kept.new for kept in found[:2]] == [2, 2]
    assert all(kept.new >= 4 for kept in found[2:])


def test_answers_do_not_change_the_name_of_a_map(run: Run, tmp_path) -> None:
    before, key = run.run_id, run.finished["key"]
    copy = Path(shutil.copy(run.out / "town.gpkg", tmp_path / "copy.gpkg"))
    edit(copy, ("UPDATE review SET verdict = 'ok' WHERE rank = 1", ()))
    take_answers(run, copy, run.plan.grid.crs, ISPRS)
    said = answers_hash(run, run.plan.grid.crs)
    with closing(sqlite3.connect(run.answers_gpkg)) as database:  # as QGIS does when it opens it
        database.execute("UPDATE gpkg_contents SET last_change = '2026-11-28T00:00:00.000Z'")
        database.commit()
    assert answers_hash(run, run.plan.grid.crs) == said != ""
    assert not mosaic(run, MosaicOptions(**OPTIONS)).skipped
    assert (run.run_id, run.finished["key"] == key) == (before, False)
    assert mosaic(run, MosaicOptions(**OPTIONS)).skipped


def test_workers_that_begin_after_answers_came_still_belong_to_the_mosaic(run: Run, tmp_path) -> None:
    copy = Path(shutil.copy(run.out / "town.gpkg", tmp_path / "copy.gpkg"))
    edit(copy, *all_edits(copy))
    options = MosaicOptions(**OPTIONS)
    take_answers(run, copy, run.plan.grid.crs, ISPRS)
    said = answers_hash(run, run.plan.grid.crs)
    with at_work(load_inputs(run, options), said, options, LOCAL) as begun:
        edit(copy, ("UPDATE review SET verdict = 'ok' WHERE rank = 3", ()))
        assert take_answers(run, copy, run.plan.grid.crs, ISPRS).new == 1
        assert load_context(begun.fence, options).map_key == run.map_key
        with pytest.raises(PlanError, match="has changed since this mosaic began"):
            load_context(begun.fence, replace(options, simplify=9.0))


def test_what_was_undone_in_the_same_file_is_withdrawn(run: Run, tmp_path) -> None:
    clean = Path(shutil.copy(run.out / "town.gpkg", tmp_path / "clean.gpkg"))
    mine, hers = (Path(shutil.copy(clean, tmp_path / name)) for name in ("mine.gpkg", "hers.gpkg"))
    crs = run.plan.grid.crs
    edit(mine, *all_edits(clean))
    assert take_answers(run, mine, crs, ISPRS).new == 6
    assert take_answers(run, hers, crs, ISPRS).withdrawn == 0  # another file speaks for itself alone
    shutil.copy(clean, mine)
    edit(mine, *all_edits(clean)[:1], *all_edits(clean)[-1:])
    kept = take_answers(run, mine, crs, ISPRS)
    assert (kept.new, kept.withdrawn) == (0, 4)
    found = read_answers(run, crs)
    assert (len(found.review), found.edits["edit"].tolist()) == (1, ["deleted"])
    assert take_answers(run, mine, crs, ISPRS).withdrawn == 0
    edit(mine, all_edits(clean)[2])
    assert take_answers(run, mine, crs, ISPRS).new == 1


@pytest.mark.qgis
def test_edits_of_qgis_are_told(run: Run) -> None:
    import subprocess

    package = run.out / "town.gpkg"
    done = subprocess.run(
        ["/usr/bin/python3", str(ROOT / "tests/qgis_edit.py"), str(package)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    mosaic(run, MosaicOptions(**OPTIONS, simplify=0.4))
    found = read_answers(run, run.plan.grid.crs)
    assert sorted(found.edits["edit"]) == ["added", "deleted", "moved", "moved", "reclassified"]
    assert found.review["verdict"].tolist() == ["ok"]
