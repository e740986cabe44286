"""Every command, looked at without running it."""

from __future__ import annotations

import ast
import subprocess
import sys

import click
import pytest
from support import ROOT

from geoseg.cli.main import COMMANDS, PLACES, cli


def test_a_command_imports_nothing_heavy_before_it_runs() -> None:
    """All of them together: `--help` of each stays quick."""
    names = ", ".join(f"geoseg.cli.{PLACES.get(name, name)}" for name in COMMANDS)
    heavy = "('torch', 'rasterio', 'shapely', 'geopandas', 'numba', 'dask', 'distributed')"
    code = f"import sys, {names}; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _all(command: click.Command, name: str) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(name, command)]
    context = click.Context(command)
    found = []
    for inner in command.list_commands(context):
        part = command.get_command(context, inner)
        assert part is not None
        found += _all(part, f"{name} {inner}".strip())
    return found


EVERY = _all(cli, "")


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[n for n, _ in EVERY])
def test_a_command_and_each_of_its_options_explain_themselves(name, command) -> None:
    assert command.help
    assert command.get_short_help_str(200).endswith(".")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, (name, parameter.name)
        else:
            assert (parameter.metavar or parameter.name).isidentifier()


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[n for n, _ in EVERY])
def test_no_flag_of_a_command_is_given_twice(name, command) -> None:
    flags = [o for p in command.params if isinstance(p, click.Option) for o in (*p.opts, *p.secondary_opts)]
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize("name", list(COMMANDS))
def test_one_file_holds_one_command(name) -> None:
    tree = ast.parse((ROOT / "geoseg/cli" / f"{PLACES.get(name, name).replace('.', '/')}.py").read_text())
    assert any(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name == "command" for n in tree.body)
