"""README and docs are true: their commands run, their options, commands and rooms exist."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import yaml
from support import ROOT

from geoseg.cli.main import COMMANDS, cli

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def fences(text: str) -> Iterator[tuple[str, str]]:
    """(language, text) of each fenced block."""
    yield from re.findall(r"^```([^\n`]*)\n(.*?)^```[ \t]*$", text, re.MULTILINE | re.DOTALL)


def commands(text: str, languages: set[str]) -> list[str]:
    """Every `geoseg ...` line of the fenced blocks in some languages, and every code span that starts so."""
    blocks = "\n".join(block for language, block in fences(text) if language in languages)
    spans = re.findall(r"`(geoseg [a-z][^`\n]*)`", re.sub(r"^```.*?^```[ \t]*$", "", text, flags=re.M | re.S))
    found = re.findall(r"^geoseg [^#\n]*", blocks, re.MULTILINE)
    return [c.strip() for c in found + spans if "COMMAND" not in c]


def distinct(languages: set[str]) -> list[str]:
    """Commands of all pages, each once, in the order of the pages."""
    return list(dict.fromkeys(c for page in PAGES for c in commands(page.read_text(), languages)))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory, truth_network: Path) -> Path:
    """A folder: the sample sheets as `sheets`, labels, small configs, a network `potsdam.pt` and a planned `run`."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("sheets", "labels", "truth.gpkg"):
        (folder / name).symlink_to(ROOT / "sample_data" / name)
    for name in ("configs", "pipelines"):
        (folder / name).mkdir()
    (folder / "configs/nightly.yaml").symlink_to(ROOT / "configs/nightly.yaml")  # its paths count from where it lies
    night = yaml.safe_load((ROOT / "pipelines/nightly.yaml").read_text())
    night |= {"sheets": ["../sheets"], "infer": {"model": "../potsdam.pt"}}
    (folder / "pipelines/nightly.yaml").write_text(yaml.safe_dump(night))
    small = yaml.safe_load((ROOT / "configs/sample_cpu.yaml").read_text())
    for section in small["data"]:
        section |= {"count": 1, "metres": 16}
    small |= {"crop": 64, "batch": 2, "workers": 0, "stages": [{"steps": 2}]}  # all else as it ships
    (folder / "configs/sample_cpu.yaml").write_text(yaml.safe_dump(small))
    for suffix in (".pt", ".json"):
        (folder / f"potsdam{suffix}").write_bytes(truth_network.with_suffix(suffix).read_bytes())
    return folder


def words_of(command: str) -> list[str]:
    """What stands behind `geoseg`; the network of the sandbox is a TorchScript file."""
    return [w.replace("potsdam.safetensors", "potsdam.pt") for w in shlex.split(command)[1:]]


@pytest.mark.parametrize("command", distinct({""}))
def test_every_command_of_a_block_without_a_language_runs(
    sandbox: Path, monkeypatch: pytest.MonkeyPatch, geoseg: Callable[..., tuple[int, str, str]], command: str
) -> None:
    """In the order of the pages, in one folder, each distinct command once."""
    monkeypatch.chdir(sandbox)
    code, _, err = geoseg("-q", *words_of(command))
    assert code == 0, err


def test_there_are_commands_to_run() -> None:
    assert len(distinct({""})) >= 6


@pytest.mark.parametrize("command", distinct({"text", "sh", "bash", "console"}))
def test_every_other_command_is_one_that_geoseg_knows(command: str) -> None:
    """Blocks that need what a test has not (a scheduler, a released data set) are read by click's own parser."""
    words = [w for w in words_of(command) if w not in ("-q", "-v", "--quiet", "--debug")]
    if "--version" in words[:1] or "--help" in words:
        return
    group: click.Command | None = cli
    context = click.Context(cli)
    while isinstance(group, click.Group):
        name, *words = words
        group = group.get_command(context, name)
        assert group is not None, name
        context = click.Context(group, parent=context, info_name=name)
    parser = group.make_parser(context)
    parser.parse_args(list(words))


def test_every_command_is_in_the_docs() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    for name in set(COMMANDS) - {"status", "sample", "demo"}:
        assert f"geoseg {name}" in text


@pytest.fixture(scope="module")
def flags() -> dict[str, set[str]]:
    """Options of each command, as click has them; "" for all of them."""
    found: dict[str, set[str]] = {}

    def add(name: str, command: click.Command) -> None:
        if isinstance(command, click.Group):
            for inner in command.list_commands(click.Context(command)):
                part = command.get_command(click.Context(command), inner)
                assert part is not None
                add(name or inner, part)
        mine = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
        found.setdefault(name, set()).update(mine)
        found.setdefault("", {"--help", "--version"}).update(mine)

    add("", cli)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_option_that_is_named_exists(page: Path, flags: dict[str, set[str]]) -> None:
    for pattern in (r"`(tile|infer|mosaic) (--[a-z-]+)", r"(geoseg)[^`\n]* (--[a-z-]+)"):
        for command, option in re.findall(pattern, page.read_text()):
            assert option in flags.get(command, flags[""]), (command, option)


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        spans = re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", page.read_text(), re.MULTILINE)
        for target in {a or b for a, b in spans}:
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_room_is_named_among_the_rooms() -> None:
    page = ROOT / "docs/develop/rooms.md"
    if not page.exists():
        pytest.skip("docs/develop/rooms.md is not written yet")
    rooms = {p.parent.relative_to(ROOT / "geoseg").as_posix() for p in (ROOT / "geoseg").rglob("__init__.py")} - {"."}
    text = page.read_text()
    assert [room for room in sorted(rooms) if f"{room}/" not in text and f"`{room}`" not in text] == []


def test_parts_that_follow_from_the_code_can_be_made() -> None:
    """A new option, key or layer without its text would stop the site from being built."""
    pytest.importorskip("mkdocs")
    parts = runpy.run_path(str(ROOT / "docs/generate.py"))["PARTS"]
    for name, make in parts.items():
        assert make().strip(), name
    assert "```text\ngeoseg mosaic run/ --layers" in parts["command-line"]()
