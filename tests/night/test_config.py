"""The config of `geoseg run`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import CONFIGS

from geoseg.errors import UsageError
from geoseg.night.config import load_config, with_config


def write_config(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


def test_a_config_runs_and_the_command_line_wins(tmp_path, geoseg, sheet, blur_network):
    config = write_config(
        tmp_path,
        "sheets: [s.tif]\nout: run\ntile: {block_size: 64}\n"
        f"infer: {{model: {blur_network}, engine: torch}}\nmosaic: {{name: night}}\n",
    )
    code, _, err = geoseg("run", config)
    assert code == 0, err
    assert (tmp_path / "run/out/night_classes.tif").exists()
    assert geoseg("run", config, "--name", "day", "-o", tmp_path / "other")[0] == 0
    assert (tmp_path / "other/out/day_classes.tif").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sheets: [a]\ntile:\n  pach_size: 3\n", "c.yaml:3: unknown key 'tile.pach_size' (did you mean 'patch_size'?)"),
        ("sheets: [a]\nshets: 1\n", "c.yaml:2: unknown key 'shets' (did you mean 'sheets'?)"),
        ("sheets: []\n", "c.yaml:1: sheets"),
        ("tile: {}\n", "sheets"),
        ("sheets: [a]\ninfer:\n  tta: often\n", "c.yaml:3: infer.tta"),
        ("sheets: [a]\nsheets: [b]\n", "given twice"),
        ("sheets: [a\n", "cannot be read as YAML"),
        ("- a\n", "not a mapping"),
        ("sheets: !!python/object/apply:os.system [echo]\n", "cannot be read as YAML"),
    ],
)
def test_config_mistakes_name_line_and_key(tmp_path, geoseg, text, message):
    code, _, err = geoseg("run", write_config(tmp_path, text), "-o", tmp_path / "run")
    assert code == 2
    assert message in err
    assert not (tmp_path / "run").exists()


def test_the_shipped_configs_load():
    from geoseg.night.config import load_config

    load_config(CONFIGS / "nightly.yaml")  # those of `geoseg train`: tests/test_train.py


def _stated(tmp_path: Path, text: str):
    (tmp_path / "deep").mkdir(exist_ok=True)
    path = tmp_path / "deep" / "c.yaml"
    path.write_text(text)
    return load_config(path)


def test_paths_count_from_the_config_and_values_are_read(tmp_path) -> None:
    stated = _stated(
        tmp_path,
        "sheets: [s, /abs/*.tif]\nout: ../run\ntile: {aoi: a.gpkg, nodata: 255~12, bands: [3, 1, 2]}\n"
        "infer: {model: [a.pt, /b.pt], max_ram: 2G}\nnight: {metrics: m.prom, hooks: {success: [echo, a]}}\n",
    )
    deep = tmp_path / "deep"
    assert stated.sheets == [deep / "s", Path("/abs/*.tif")]
    assert stated.out == deep / "../run"
    assert stated.options == {
        "aoi": deep / "a.gpkg", "nodata": ((255.0, 12.0),), "bands": (3, 1, 2), "model": (deep / "a.pt", Path("/b.pt")),
        "max_ram": 2 << 30, "metrics": deep / "m.prom", "success": ("echo", "a"), "failure": (), "webhook": "",
    }  # fmt: skip


def test_what_a_config_does_not_name_it_does_not_say(tmp_path) -> None:
    stated = _stated(tmp_path, "sheets: [s]\ntile: {}\nmosaic:\n")
    assert stated.options == {}
    assert stated.out is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tile: {nodata: white}", "VALUE~TOLERANCE"),
        ("tile: {patch_size: 0}", "tile.patch_size"),
        ("tile: {gsd: 0}", "tile.gsd"),
        ("infer: {engine: abacus}", "infer.engine"),
        ("infer: {max_ram: much}", "not a size"),
        ("mosaic: {layers: [lakes]}", "does not know 'lakes'"),
        ("mosaic: {overwrite: true}", "unknown key 'mosaic.overwrite'"),
        ("night: {date: today}", "unknown key 'night.date'"),
        ("night: {hooks: {succes: [a]}}", "did you mean 'success'"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_line(tmp_path, text, words) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        _stated(tmp_path, f"sheets: [s]\n{text}\n")
    assert caught.value.subject.endswith("c.yaml:2")


def test_what_is_said_wins_over_the_config_and_other_sheets_are_none(tmp_path) -> None:
    _stated(tmp_path, "sheets: [s]\nout: r\ninfer: {tta: flip, threads: 2}\n")
    config = tmp_path / "deep" / "c.yaml"
    paths, run, options = with_config([config], None, {"tta": "d4"})
    assert (paths, run, options) == ([tmp_path / "deep/s"], tmp_path / "deep/r", {"tta": "d4", "threads": 2})
    assert with_config([config], Path("x"), {})[1] == Path("x")
    assert with_config([Path("a.tif")], None, {"tta": "d4"}) == ([Path("a.tif")], None, {"tta": "d4"})
    assert with_config([config, config], None, {})[0] == [config, config]


def _said(path: Path, text: str, *spoken: str) -> str:
    """What the command line says of a config."""
    from click.testing import CliRunner

    from geoseg.cli.main import cli

    path.write_text(text)
    done = CliRunner().invoke(cli, ["run", str(path), *spoken])
    return str(done.exception)


HEAD = "sheets: [.]\nout: run\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mosaic:\n  name: a/b\n", ":4: mosaic.name: 'a/b' is not the start of a file name"),
        ("mosaic:\n  name: \"a\\x01b\"\n", ":4: mosaic.name: .* holds control characters"),
        ("night:\n  workers: 2\n  scheduler: tcp://a:1\n", ":4: night.workers: together with --scheduler"),
        ("tile:\n  gsd: yes\n", ":4: tile.gsd: true is no value of this key"),
        ("tile:\n  bands: [true, 2]\n", ":4: tile.bands: .*true.* is no value of this key"),
        ("infer:\n  threads: on\n", ":4: infer.threads: true is no value of this key"),
        ('tile:\n  aoi: ""\n', ":4: tile.aoi: is empty"),
    ],
)  # fmt: skip
def test_errors_about_options_name_file_line_and_key(tmp_path, text, said) -> None:
    path = tmp_path / "night.yaml"
    assert re.search(re.escape(str(path)) + said, _said(path, HEAD + text))


def test_an_option_on_the_command_line_is_not_blamed_on_the_config(tmp_path) -> None:
    said = _said(tmp_path / "n.yaml", HEAD + "mosaic:\n  name: good\n", "--name", "a/b")
    assert said.startswith("--name: 'a/b'")


@pytest.mark.parametrize("text", ['sheets: [""]\nout: run\n', 'sheets: [.]\nout: ""\n'])
def test_empty_paths_are_no_paths(tmp_path, text) -> None:
    assert "is empty" in _said(tmp_path / "n.yaml", text)
