"""The README is true: its commands run, its options and commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from geoseg.cli.main import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    """Every `geoseg ...` line or code span of the README."""
    fenced = "\n".join(re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
    blocks = re.findall(r"^geoseg [^#\n]*", fenced, re.MULTILINE)
    return [c.strip() for c in blocks + re.findall(r"`(geoseg [a-z][^`]*)`", README) if "COMMAND" not in c]


def test_every_command_of_the_readme_runs(tmp_path, monkeypatch, geoseg, truth_network):
    """In order, in an empty folder with the sample sheets as `sheets/` and a network of that name."""
    (tmp_path / "sheets").symlink_to(ROOT / "sample_data" / "sheets")
    (tmp_path / "labels").symlink_to(ROOT / "sample_data" / "labels")
    (tmp_path / "truth.gpkg").symlink_to(ROOT / "sample_data" / "truth.gpkg")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "nightly.yaml").symlink_to(
        ROOT / "configs" / "nightly.yaml"
    )  # its paths count from where it lies
    (tmp_path / "pipelines").mkdir()
    night = yaml.safe_load((ROOT / "pipelines" / "nightly.yaml").read_text())
    night |= {"sheets": ["../sheets"], "infer": {"model": "../potsdam.pt"}}
    (tmp_path / "pipelines" / "nightly.yaml").write_text(yaml.safe_dump(night))
    small = yaml.safe_load((ROOT / "configs" / "sample_cpu.yaml").read_text())
    for section in small["data"]:
        section |= {"count": 1, "metres": 16}
    small |= {"crop": 64, "batch": 2, "workers": 0, "stages": [{"steps": 2}]}  # all else as it ships
    (tmp_path / "configs" / "sample_cpu.yaml").write_text(yaml.safe_dump(small))
    for suffix in (".pt", ".json"):
        source = truth_network.with_suffix(suffix)
        (tmp_path / f"potsdam{suffix}").write_bytes(source.read_bytes())
    monkeypatch.chdir(tmp_path)
    found = commands()
    assert len(found) >= 6
    for command in found:
        words = [w.replace("potsdam.safetensors", "potsdam.pt") for w in shlex.split(command)[1:]]
        code, _, err = geoseg("-q", *words)
        assert code == 0, (command, err)


def test_every_command_is_in_the_readme():
    for name in set(COMMANDS) - {"status", "sample", "demo"}:
        assert f"geoseg {name}" in README


@pytest.mark.parametrize("pattern", [r"`(tile|infer|mosaic) (--[a-z-]+)", r"(geoseg)[^`\n]* (--[a-z-]+)"])
def test_every_option_in_the_readme_exists(geoseg, pattern):
    helps = {
        name: geoseg(name, "--help")[1]
        for name in ("tile", "infer", "mosaic", "run", "train", "evaluate", "model", "view", "verify", "prune")
    }
    for name in ("info", "import", "export", "card", "bench"):
        helps["model"] += geoseg("model", name, "--help")[1]
    everything = " ".join(helps.values())
    for command, option in re.findall(pattern, README):
        assert option in helps.get(command, everything), (command, option)


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"make ([a-z-]+)", README)) - {"an"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_room_list_is_the_package():
    rooms = {p.name for p in (ROOT / "geoseg").iterdir() if (p / "__init__.py").exists()}
    assert all(f"{room}/" in README for room in rooms), rooms
