"""A mosaic that was stopped goes on from the parts it had made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from runs import SECTOR

from geoseg.errors import EnvironmentFault, PlanError
from geoseg.options import MosaicOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.features.sector import Step
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic import work as mosaic_work
from geoseg.stages.mosaic.inputs import load_inputs
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.mosaic.work import at_work, load_context, make_sheet
from geoseg.work import parts as kept_parts
from geoseg.work.local import LOCAL
from geoseg.work.task import Task, do


def _counted(monkeypatch, stop: int = 10**6) -> list[str]:
    """Names of parts that are made from now on; the process is interrupted at number `stop`."""
    names: list[str] = []

    def noted(real, name_of):
        def made(first, second, *more, **named):
            if len(names) == stop:
                raise KeyboardInterrupt
            names.append(name_of(first, second))
            return real(first, second, *more, **named)

        return made

    monkeypatch.setattr(mosaic_work, "do_step", noted(mosaic_work.do_step, lambda step, _: step.name))
    sheets = noted(mosaic_work.sheet_rasters, lambda _, numbers: f"sheet_{numbers}")
    monkeypatch.setattr(mosaic_work, "sheet_rasters", sheets)
    return names


@pytest.mark.parametrize(
    "stop", [pytest.param(1, marks=pytest.mark.slow), 6, pytest.param(14, marks=pytest.mark.slow), 16]
)
def test_a_mosaic_that_was_stopped_makes_no_part_twice(drawn_town, monkeypatch, stop) -> None:
    options = MosaicOptions(name=f"stopped{stop}", sector=SECTOR)
    with monkeypatch.context() as patch:
        first = _counted(patch, stop)
        with pytest.raises(KeyboardInterrupt):
            mosaic(drawn_town, options)
    second = _counted(monkeypatch)
    mosaic(drawn_town, options)
    assert len(first) == stop
    assert not set(first) & set(second)
    assert len(first + second) == 17  # one sheet, four steps of four sectors
    result = (drawn_town / f"out/stopped{stop}.gpkg").read_bytes()
    second.clear()
    mosaic(drawn_town, replace(options, overwrite=True))
    assert len(second) == 17
    assert (drawn_town / f"out/stopped{stop}.gpkg").read_bytes() == result
    assert not (drawn_town / "parts").exists()


def test_damaged_parts_are_made_again_and_those_of_another_mosaic_are_not_used(drawn_town, monkeypatch) -> None:
    options = MosaicOptions(name="damaged", sector=SECTOR)

    def stopped() -> Path:
        with monkeypatch.context() as patch:
            _counted(patch, 15)
            with pytest.raises(KeyboardInterrupt):
                mosaic(drawn_town, replace(options, overwrite=True))
        (folder,) = (drawn_town / "parts").iterdir()
        return folder

    for path in sorted([*stopped().iterdir(), *(drawn_town / "out/sheets").glob("*.tif")]):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
    names = _counted(monkeypatch)
    mosaic(drawn_town, options)
    assert len(names) == 17
    result = (drawn_town / "out/damaged.gpkg").read_bytes()
    mosaic(drawn_town, replace(options, overwrite=True))
    assert (drawn_town / "out/damaged.gpkg").read_bytes() == result
    old = stopped()
    names.clear()
    mosaic(drawn_town, replace(options, simplify=0.5))
    assert len(names) == 17
    assert not old.exists()


def test_what_a_stopped_mosaic_would_have_removed_goes_all_the_same(drawn_town, monkeypatch) -> None:
    mosaic(drawn_town, MosaicOptions(name="first", sheet_rasters=False, vectors=False))
    assert (drawn_town / "out/first_classes.tif").exists()
    second = MosaicOptions(name="second", vectors=False)
    with monkeypatch.context() as patch:
        _counted(patch, 0)
        with pytest.raises(KeyboardInterrupt):
            mosaic(drawn_town, second)
    assert not (drawn_town / "run.json").exists()
    assert (drawn_town / "out/first_classes.tif").exists()
    mosaic(drawn_town, second)
    assert not list((drawn_town / "out").glob("first*"))


def test_what_lies_behind_links_stays(drawn_town, tmp_path) -> None:
    (tmp_path / "precious/folder").mkdir(parents=True)
    (tmp_path / "precious/file").touch()
    options = MosaicOptions(name="links", sheet_rasters=False, vectors=False, overwrite=True)
    (drawn_town / "parts").symlink_to(tmp_path / "precious")
    mosaic(drawn_town, options)
    assert not (drawn_town / "parts").exists()
    (drawn_town / "parts").mkdir()
    (drawn_town / "parts/link").symlink_to(tmp_path / "precious")
    (drawn_town / "parts/file").touch()
    mosaic(drawn_town, options)
    assert not (drawn_town / "parts").exists()
    assert sorted(p.name for p in (tmp_path / "precious").iterdir()) == ["file", "folder"]


def test_a_result_that_cannot_be_kept_is_a_result(drawn_town, monkeypatch, caplog) -> None:
    def full(path, data):
        raise EnvironmentFault(path, "no space left", "free some")

    monkeypatch.setattr(kept_parts, "commit_bytes", full)
    mosaic(drawn_town, MosaicOptions(name="unkept", sheet_rasters=False, sector=SECTOR, layers=("landcover",)))
    assert "could not be kept" in caplog.text
    assert (drawn_town / "out/unkept.gpkg").exists()


def test_a_mosaic_that_another_one_has_overtaken_leaves_it_alone(drawn_town, monkeypatch) -> None:
    """A machine that was suspended wakes up: its lease is another's, whose parts and say are not touched."""
    options = MosaicOptions(name="late", sheet_rasters=False, sector=SECTOR, layers=("landcover",))
    inputs = load_inputs(Run(drawn_town), options)
    with mosaic_work.at_work(inputs, "", options, LOCAL) as work:
        parts = work.context.kept
        kept = parts.folder
        parts.once("something", lambda: (1, []))

        def overtaken(*_) -> None:
            (drawn_town / "locks/mosaic.json").write_text('{"attempt": "another", "left": []}')
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(mosaic_work, "do_step", overtaken)
            with pytest.raises(KeyboardInterrupt):
                list(work.each(mosaic_work.make_step, [Step("district", 0)]))
    assert "another" in (drawn_town / "locks/mosaic.json").read_text()
    assert (kept / "something.part").exists()
    with pytest.raises(PlanError, match="another mosaic has begun"):
        parts.once("something else", lambda: (1, []))


def test_a_part_of_an_earlier_mosaic_writes_nothing(job, alone, planned) -> None:
    """A worker that was forgotten wakes up after another mosaic has begun."""
    infer(planned, job[1])
    options = MosaicOptions(vectors=False)
    inputs = load_inputs(Run(planned), options)
    late: list[Task] = []
    with at_work(inputs, "", options, LOCAL) as work:
        late.append(Task(work.fence, load_context, make_sheet, options, 0, "late"))
    with at_work(inputs, "", options, LOCAL):
        assert "another mosaic has begun" in str(do(late[0]))
    assert not (planned / "out" / "sheets").exists()
