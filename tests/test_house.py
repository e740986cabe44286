"""The house: where things are spelt, what modules are called, how large rooms are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support import ROOT

HOUSE = ROOT / "geoseg"
MODULES = sorted(p for p in HOUSE.rglob("*.py") if "__pycache__" not in p.parts)
ROOMS = sorted({p.parent for p in MODULES})

RUN_FILES = {
    "plan.json", "infer.json", "engine.json", "run.json", "contents.json", "stamp.json", "ledger.json", "mosaic.json",
    "patches.gpkg", "catalog.json", "answers.gpkg",
}  # fmt: skip


def _literals(tree: ast.Module) -> list[ast.Constant]:
    """Text in code: no docstring, nor any other text that stands alone."""
    alone = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    return [
        n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in alone
    ]


def test_names_of_run_files_are_spelt_in_one_place() -> None:
    """As file names; messages and help texts, which hold more words, may name them."""
    found = {
        (path.relative_to(HOUSE).as_posix(), one.value)
        for path in MODULES
        for one in _literals(ast.parse(path.read_text()))
        if one.value in RUN_FILES
    }
    assert {place for place, _ in found} == {"runfolder/paths.py"}
    assert {name for _, name in found} == RUN_FILES


def test_no_module_is_named_after_a_participle() -> None:
    allowed = {"training", "listing", "encoding", "plan_drawing", "parking", "packed"}  # things, or a thing's state
    named = [p.stem for p in MODULES if p.stem.endswith(("ed", "ing")) and p.stem not in allowed]
    assert named == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_room_has_at_most_fifteen_modules(room: Path) -> None:
    if room == HOUSE:
        return  # the ground, not a room
    names = [p.stem for p in room.glob("*.py") if not p.stem.startswith("__")]
    assert len(names) <= 15, sorted(names)


def test_every_room_has_a_folder_of_tests() -> None:
    rooms = {p.relative_to(HOUSE) for p in ROOMS} - {Path("."), Path("stages")}
    missing = [str(r) for r in sorted(rooms) if not list((ROOT / "tests" / r).glob("test_*.py"))]
    assert missing == []


def test_no_two_test_files_hold_a_test_of_one_name() -> None:
    """A failure that names a test names its law."""
    seen: dict[str, str] = {}
    twice = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                if node.name in seen:
                    twice.append((node.name, seen[node.name], path.name))
                seen[node.name] = path.name
    assert twice == []
