"""ONNX Runtime leaves nothing in the home folder, whoever asks for it first."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

LOAD = "from pathlib import Path; from geoseg.models.load import load_graph; load_graph(Path({!r}), 'onnx', {!r})"
ENGINE = (
    "import torch; from geoseg.predict.engines import ENGINES;"
    "ENGINES['onnxruntime'](torch.nn.Conv2d(3, 6, 1), (1, 3, 8, 8), 'f32', 1)"
)


@pytest.mark.parametrize("how", ["a model file", "an engine"])
def test_nothing_is_recorded_and_sent(tmp_path: Path, how: str) -> None:
    """Builds of 1.32 wrote the identity of the machine and a database of uses, and looked up a host."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    if how == "a model file":
        from geoseg.commit import digest

        path = tmp_path / "n.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(torch.nn.Conv2d(3, 6, 1), (torch.zeros(1, 3, 8, 8),), path, dynamo=False)
        code = LOAD.format(str(path), digest(path))
    else:
        code = ENGINE
    home = tmp_path / "home"
    home.mkdir()
    clean = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY" and not k.startswith("XDG_")}
    subprocess.run([sys.executable, "-c", code], env={**clean, "HOME": str(home)}, check=True, capture_output=True)
    assert [p for p in home.rglob("*") if p.is_file() and "icrosoft" in str(p)] == []
