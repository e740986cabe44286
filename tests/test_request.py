"""What a user asks for, as option values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from geoseg.errors import UsageError
from geoseg.options import (
    STAGES,
    EvaluateOptions,
    InferOptions,
    MosaicOptions,
    RunOptions,
    TileOptions,
    WorkOptions,
    known,
)
from geoseg.request import keywords_text, run_options, split, stage_options


def test_nothing_said_is_the_defaults_and_none_leaves_one() -> None:
    for kind in (*STAGES.values(), EvaluateOptions):
        assert stage_options(kind, {}) == kind()
        assert stage_options(kind, dict.fromkeys(known(kind))) == kind()
    assert run_options({}) == RunOptions()


def test_values_are_read_as_on_the_command_line() -> None:
    options = stage_options(
        TileOptions, {"bands": "3,1,2", "nodata": "255~12", "overlap": 64, "aoi": "a.gpkg", "gsd": 1}
    )
    assert options == TileOptions(bands=(3, 1, 2), nodata=((255.0, 12.0),), overlap="64", aoi=Path("a.gpkg"), gsd=1)
    assert stage_options(InferOptions, {"model": "a.pt", "max_ram": "2G"}).max_ram == 2 << 30
    assert stage_options(InferOptions, {"model": ["a.pt", Path("b.pt")]}).model == (Path("a.pt"), Path("b.pt"))


@pytest.mark.parametrize("kind", [*STAGES.values(), EvaluateOptions])
def test_options_are_read_again_as_they_are(kind) -> None:
    options = kind()
    assert stage_options(kind, vars(options)) == options


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("pach_size", "patch_size"),
        ("modell", "model"),
        ("layer", "layers"),
        ("worker", "workers"),
        ("xyzzy", "known options"),
    ],
)
def test_an_unknown_option_names_the_nearest(name, near) -> None:
    with pytest.raises(UsageError, match="is no option") as caught:
        run_options({name: 1})
    assert near in caught.value.cure
    assert caught.value.subject == name


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (TileOptions, "patch_size", 0),
        (TileOptions, "gsd", 0),
        (TileOptions, "gsd", "small"),
        (TileOptions, "block_size", 8),
        (TileOptions, "block_size", True),
        (InferOptions, "engine", "abacus"),
        (InferOptions, "tta", "often"),
        (InferOptions, "read_timeout", 0),
        (InferOptions, "read_timeout", 10**6),
        (MosaicOptions, "layers", "lakes"),
        (MosaicOptions, "simplify", -1),
        (WorkOptions, "workers", -1),
    ],
)
def test_values_out_of_bounds_are_refused_by_their_flag(kind, name, value) -> None:
    with pytest.raises(UsageError) as caught:
        stage_options(kind, {name: value})
    assert caught.value.subject == "--" + name.replace("_", "-")
    assert caught.value.cure


def test_options_of_two_values_are_sorted_into_them() -> None:
    inference, work = split({"tta": "flip", "workers": 2}, InferOptions, WorkOptions)
    assert (inference.tta, work.workers) == ("flip", 2)
    with pytest.raises(UsageError, match="is no option"):
        split({"layers": "cars"}, InferOptions, WorkOptions)


def test_a_night_that_writes_its_plan_anew_need_not_write_its_outputs_anew() -> None:
    options = run_options({"overwrite": True, "read_timeout": 3})
    assert options.tile.overwrite
    assert not options.mosaic.overwrite
    assert (options.tile.read_timeout, options.infer.read_timeout, options.mosaic.read_timeout) == (3, 3, 3)


def test_the_keywords_of_the_python_functions_are_those_of_the_options() -> None:
    command = [Path(sys.executable).with_name("ruff"), "format", "--stdin-filename", "geoseg/keywords.py", "-"]
    done = subprocess.run(command, input=keywords_text(), capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == (ROOT / "geoseg/keywords.py").read_text()
