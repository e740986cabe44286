"""An empty path is an error: a variable of a script that is not set must not mean the current folder."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from geoseg.cli.main import cli
from geoseg.errors import UsageError
from geoseg.runfolder.folder import Run


@pytest.mark.parametrize(
    "words",
    [["run", ""], ["run", "sheets", "-o", ""], ["tile", "", "-o", "r"], ["infer", ""], ["mosaic", ""], ["verify", ""],
     ["status", ""], ["prune", ""], ["view", ""], ["evaluate", "", "b"], ["train", ""], ["model", "info", ""],
     ["infer", "r", "--model", ""], ["tile", "s", "-o", "r", "--aoi", ""]],
    ids=" ".join,
)  # fmt: skip
def test_no_command_takes_an_empty_path(words) -> None:
    done = CliRunner().invoke(cli, words)
    assert isinstance(done.exception, UsageError)
    assert "is empty" in str(done.exception)


def test_nor_does_python() -> None:
    with pytest.raises(UsageError, match="is empty"):
        Run.of("")
