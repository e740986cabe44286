"""The config of `geoseg run`."""

from __future__ import annotations

import pytest
from support import CONFIGS


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
