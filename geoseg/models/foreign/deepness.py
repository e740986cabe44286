"""Cards of model files that other tools wrote: ONNX files with the metadata of the QGIS plugin Deepness."""

from __future__ import annotations

import json
from pathlib import Path

from geoseg.errors import ModelError
from geoseg.models.card import Card
from geoseg.models.foreign.onnx_graph import input_shape, parse_onnx
from geoseg.models.mlm import named_classes

__all__ = ["onnx_card"]

DEFAULT_PATCH = 512
"""Side of a patch where neither the metadata nor the graph say one."""


def onnx_card(path: Path, data: bytes) -> Card | None:
    """The card in an ONNX file's own metadata, in geoseg's key or in those of Deepness; None where there is none.

    Raises:
        ModelError: the onnx package is not installed, or the file or its metadata are damaged.
    """
    model = parse_onnx(path, data)
    keys = {p.key: p.value for p in model.metadata_props}
    if "geoseg" in keys:
        return Card.from_text(keys["geoseg"], path)
    if "resolution" not in keys or "class_names" not in keys:
        return None
    try:
        fixed = input_shape(model)[-1:]
        return _deepness_card(path, keys, (fixed and fixed[0]) or DEFAULT_PATCH)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        cure = f"write {path.with_suffix('.json').name} beside it"
        raise ModelError(path, f"has unreadable Deepness metadata: {error}", cure) from error


def _deepness_card(path: Path, keys: dict[str, str], patch: int) -> Card:
    """The card from the metadata of Deepness, whose resolution is in centimetres; `patch` where they name none."""
    names = json.loads(keys["class_names"])
    classes = named_classes(sorted((int(k), str(v), "") for k, v in names.items()))
    patch = int(json.loads(keys.get("tiles_size", str(patch))))
    share = float(json.loads(keys.get("tiles_overlap", "25"))) / 100
    mean = json.loads(keys.get("standardization_mean", "[0, 0, 0]"))
    std = json.loads(keys.get("standardization_std", "[1, 1, 1]"))
    gsd = float(json.loads(keys["resolution"])) / 100
    return Card(
        name=path.stem,
        architecture="onnx",
        classes=classes,
        bands=("red", "green", "blue", "nir")[: len(mean)],
        mean=tuple(255 * m for m in mean),
        std=tuple(255 * s for s in std),
        gsd=gsd,
        gsd_range=(gsd, gsd),
        patch=patch,
        overlap=int(patch * share) // 2 * 2,
        stride=1,
    )
