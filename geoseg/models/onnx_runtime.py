"""ONNX Runtime without its telemetry: builds of today keep a record of each use in the home folder, and send it."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

__all__ = ["import_onnxruntime"]


def import_onnxruntime() -> ModuleType:
    """The package; it looks for the variable once, while it is imported.

    Raises:
        ImportError: it is not installed.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return importlib.import_module("onnxruntime")
