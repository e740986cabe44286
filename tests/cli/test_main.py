"""The command line: help, messages, exit codes."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import numpy as np
import pytest
from support import PLACE, moved, write_sheet

from geoseg.cli.main import cli
from geoseg.options import HELP_GROUPS
from geoseg.runfolder.folder import Run


def test_help_imports_nothing_heavy():
    code = (
        "import sys, geoseg.cli.main as m; m.cli.main(['--help'], standalone_mode=False); "
        "print([n for n in ('torch', 'rasterio', 'numpy', 'shapely') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    assert "tile" in done.stdout


@pytest.mark.parametrize("command", ["tile", "infer", "mosaic", "run", "status", "model", "sample", "demo"])
def test_every_command_has_help(geoseg, command):
    code, out, _ = geoseg(command, "--help")
    assert code == 0
    assert out.startswith("Usage: geoseg")
    assert len(out.splitlines()) > 4


def _leaves(command: click.Command, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield names, command
        return
    for name in command.list_commands(click.Context(command)):
        found = command.get_command(click.Context(command), name)
        assert found is not None
        yield from _leaves(found, *names, name)


LEAVES = [pytest.param(names, command, id=" ".join(names)) for names, command in _leaves(cli)]


@pytest.mark.parametrize(("names", "command"), LEAVES)
def test_every_command_shows_examples_that_its_options_take(names, command):
    lines = [line.strip() for line in (command.help or "").splitlines()]
    examples = [shlex.split(line) for line in lines if line.startswith("geoseg ")]
    assert examples
    for words in examples:
        assert tuple(words[1 : 1 + len(names)]) == names
        command.make_context(" ".join(names), words[1 + len(names) :], parent=click.Context(cli))


@pytest.mark.parametrize(("names", "command"), LEAVES)
def test_a_help_fits_80_columns_and_loses_no_option(names, command, geoseg, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = geoseg(*names, "--help")
    options = out[out.index("\nOptions:\n") :]
    assert max(map(len, options.splitlines())) <= 80
    for param in command.params:
        for flag in (*param.opts, *param.secondary_opts) if isinstance(param, click.Option) else ():
            assert re.search(rf"(^| ){re.escape(flag)}\b", options, re.MULTILINE), flag


def test_the_options_of_a_night_stand_under_headings_in_their_order(geoseg):
    _, out, _ = geoseg("run", "--help")
    titles = re.findall(r"^(\S.*):$", out, re.MULTILINE)
    assert titles == ["Options", *(name for name in HELP_GROUPS if name in titles)]
    assert len(titles) > 8
    assert "[default: 25]" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tiel"], 2, "Did you mean 'tile'"),
        (["tile", "SHEET"], 2, "--out"),
        (
            ["tile", "SHEET", "-o", "RUN", "--patch-size", "64", "--overlap", "64"],
            2,
            "--overlap: 64 px, expected 0 to 63",
        ),
        (["tile", "SHEET", "-o", "RUN", "--overlap", "much"], 2, "'much' is not a number of pixels or per cent"),
        (["tile", "SHEET", "-o", "RUN", "--patch-size", "0"], 2, "--patch-size"),
        (["tile", "SHEET", "-o", "RUN", "--block-size", "100"], 2, "multiple of 16"),
        (["tile", "SHEET", "-o", "RUN", "--crs", "EPSG:1"], 2, "--crs"),
        (["tile", "SHEET", "-o", "RUN", "--bands", "1,2,9"], 2, "--bands asks for band 9"),
        (["tile", "SHEET", "-o", "RUN", "--bbox", "1,2,3"], 2, "expected 4"),
        (["tile", "SHEET", "-o", "RUN", "--nodata", "white"], 2, "VALUE~TOLERANCE"),
        (["tile", "SHEET", "-o", "RUN", "--aoi", "none.gpkg"], 2, "none.gpkg"),
        (["tile", "SHEET", "-o", "RUN", "--labels", "x"], 2, "--labels needs --write-patches"),
        (["tile", "/nowhere", "-o", "RUN"], 2, "/nowhere"),
        (["infer", "RUN"], 1, "is no run folder: it holds no plan.json"),
        (["mosaic", "RUN"], 1, "is no run folder: it holds no plan.json"),
        (["status", "RUN"], 1, "is no run folder: it holds no plan.json"),
        (["run", "SHEET"], 2, "no run folder named"),
        (["run", "SHEET", "-o", "RUN", "--model", "none.pt"], 5, "none.pt: cannot be read"),
        (["run", "SHEET", "-o", "RUN", "--device", "cuda:99"], 4, "no such CUDA device"),
        (["run", "SHEET", "-o", "RUN", "--device", "abacus"], 4, "not a device"),
        (["run", "SHEET", "-o", "RUN", "--max-ram", "lots"], 2, "is not a size"),
        (["run", "SHEET", "-o", "RUN", "--max-ram", "100M"], 2, "allow more"),
        (["run", "SHEET", "-o", "RUN", "--max-ram", "100"], 2, "100 bytes (did you mean 100M?), but one block"),
        (["run", "none.yaml"], 2, "none.yaml: does not exist"),
        (["run", "SHEET", "-o", "RUN", "--bands", "1,2"], 5, "wants 3 bands (red, green, blue), --bands names 2"),
        (["run", "SHEET", "-o", "RUN", "--patch-size", "100"], 2, "takes multiples of 16 px"),
        (["run", "SHEET", "-o", "RUN", "--patch-size", "256", "--overlap", "64"], 2, "needs more than 384 px"),
        (["run", "SHEET", "-o", "RUN", "--gsd", "1.0"], 5, "force it with --resample"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_mistakes_are_explained(tmp_path, geoseg, sheet, arguments, code, message):
    words = [str(sheet) if a == "SHEET" else str(tmp_path / "run") if a == "RUN" else a for a in arguments]
    found, _, err = geoseg(*words)
    assert message in " ".join(err.split())
    assert found == code
    assert "Traceback" not in err


def test_an_unforeseen_error_is_one_line(tmp_path, geoseg, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(importlib.import_module("geoseg.stages.tile.tile"), "list_sheets", fail)
    code, _, err = geoseg("tile", "x.tif", "-o", tmp_path / "run")
    assert code == 1
    assert "unexpected ZeroDivisionError: surprise" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("locale", ["C", "de_DE.ISO-8859-1"])  # POSIX is another name of C
def test_names_are_read_in_any_locale(tmp_path, locale) -> None:
    """Sheets, run folder and words on the screen, where the locale knows ASCII only and UTF-8 mode was turned off."""
    write_sheet(tmp_path / "Größe 日本" / "Straße_é.tif", np.zeros((3, 40, 40), np.uint8))
    command = [sys.executable, "-m", "geoseg", "tile", "Größe 日本", "-o", "Läufe"]
    stubborn = [sys.executable, "-X", "utf8=0", "-m", "geoseg", "--version"]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert Run(tmp_path / "Läufe").plan.sheets[0].path.endswith("Größe 日本/Straße_é.tif")
    assert "Läufe" in done.stdout.decode()
    assert subprocess.run(stubborn, env=environment, capture_output=True, timeout=60).returncode == 0  # and ends


def test_a_plan_says_what_it_gained_and_lost(tmp_path, geoseg):
    paths = [
        write_sheet(tmp_path / f"{k}.tif", np.zeros((3, 40, 40), np.uint8), place=moved(PLACE, 40 * k, 0))
        for k in range(3)
    ]
    assert "sheets   2\n" in geoseg("tile", *paths[:2], "-o", tmp_path / "run")[1]
    assert "sheets   2 (1 added, 1 dropped)\n" in geoseg("tile", *paths[1:], "-o", tmp_path / "run")[1]
    assert "sheets   2\n" in geoseg("tile", *paths[1:], "-o", tmp_path / "run")[1]
