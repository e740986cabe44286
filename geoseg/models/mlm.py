"""Cards out of STAC items of the machine-learning model extension (MLM), versions 1.0 to 1.5.

https://github.com/stac-extensions/mlm: bands, scaling, patch and classes are its `mlm:input` and `mlm:output`.
"""

from __future__ import annotations

from collections.abc import Sequence

from geoseg.arrays import Json, full_scale
from geoseg.classes import ISPRS, ClassTable
from geoseg.errors import ModelError
from geoseg.layers import role_of_name
from geoseg.models.card import BANDS, Card

__all__ = ["OWN", "is_mlm", "mlm_card", "named_classes"]

OWN = "geoseg:card"
"""Property in which geoseg's own items hold the whole card."""
_PATCH, _LEAST = 512, 16
_BANDS = {"nir08": "nir", "nir09": "nir", "gray": "grey", "pan": "grey", "dsm": "height", "ndsm": "height"}
_ROWS, _COLUMNS = ("height", "y", "rows", "h"), ("width", "x", "columns", "cols", "w")


def is_mlm(value: Json) -> bool:
    """Whether some JSON is a STAC item with the properties of MLM."""
    properties = value.get("properties")
    return isinstance(properties, dict) and any(k.startswith("mlm:") for k in properties)


def mlm_card(item: Json, subject: object) -> Card:
    """The card in a STAC item of MLM.

    Raises:
        ModelError: it lacks what geoseg needs, or has more than one input; names `subject`.
    """
    properties = item["properties"]
    if isinstance(properties.get(OWN), dict):
        return Card.from_json(properties[OWN], subject)
    try:
        return _card(properties, _one(properties, "mlm:input"), _one(properties, "mlm:output"), subject)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        what = f"is a STAC item that lacks or misspells a field of MLM: {error}"
        raise ModelError(subject, what, "write a card, see geoseg model info --json") from error


def _one(properties: Json, name: str) -> Json:
    """The only input or output."""
    found = properties[name]
    if len(found) != 1:
        raise ValueError(f"{name} has {len(found)} entries, expected one")
    entry: Json = found[0]
    return entry


def _card(properties: Json, given: Json, answer: Json, subject: object) -> Card:
    """The card out of the two main parts of an item."""
    bands = _bands(given, properties)
    mean, std = _scaling(given, len(bands), _dtype(given["input"]))
    extra = properties.get("mlm:hyperparameters") or {}
    gsd = properties.get("gsd") or extra.get("gsd_m") or extra.get("gsd")
    if gsd is None:
        what = "is a STAC item that does not say the GSD of its network"
        raise ModelError(subject, what, "add `gsd` in metres to its properties")
    patch, dtype = _side(given["input"]), _dtype(given["input"])
    return Card(
        name=str(properties.get("mlm:name") or "network"),
        architecture=str(properties.get("mlm:architecture") or "graph"),
        classes=_classes(answer),
        bands=bands,
        mean=mean,
        std=std,
        gsd=float(gsd),
        gsd_range=(float(gsd) / 1.2, float(gsd) * 1.2),
        dtype=dtype,
        patch=patch,
        overlap=int(extra.get("overlap", patch // 4 // 2 * 2)),
        margin=int(extra.get("margin", 0)),
        temperature=float(extra.get("temperature", 1.0)),
        good_for=str(properties.get("description") or ""),
        licence=str(properties.get("license") or ""),
    )


def _bands(given: Json, properties: Json) -> tuple[str, ...]:
    """The meanings of the bands: their own names, or the common names that the item gives them."""
    common = {
        str(b.get("name")): str(b.get("eo:common_name") or b.get("common_name") or "")
        for b in properties.get("bands") or properties.get("eo:bands") or []
    }
    names = [str(b["name"] if isinstance(b, dict) else b) for b in given["bands"]]
    words = [(common.get(n) or n).lower() for n in names]
    meanings = tuple(w if w in BANDS else _BANDS.get(w, "other") for w in words)
    if not meanings:
        raise ValueError("mlm:input names no bands")
    return meanings


def _dtype(array: Json) -> str:
    """The type of the pixels: 16 bits where the item says so. Others name the type of the tensor, so photos count."""
    return "uint16" if str(array.get("data_type", "")).lower() == "uint16" else "uint8"


def _scaling(given: Json, count: int, dtype: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each band in the units of its pixels; those for 0 to 1 are multiplied by the full scale."""
    rows: list[Json] = given.get("value_scaling") or given.get("statistics") or []
    if not rows:
        return (0.0,) * count, (1.0,) * count
    if len(rows) == 1:
        rows = rows * count
    if len(rows) != count:
        raise ValueError(f"value_scaling has {len(rows)} entries for {count} bands")
    pairs = [_shift_and_scale(r, str(r.get("type") or given.get("norm_type") or "")) for r in rows]
    full = full_scale(dtype) if all(abs(m) <= 1 and s <= 1 for m, s in pairs) else 1.0
    return tuple(full * m for m, _ in pairs), tuple(full * s for _, s in pairs)


def _shift_and_scale(row: Json, kind: str) -> tuple[float, float]:
    """Mean and deviation that standardise as one entry does."""
    if kind == "z-score" or (not kind and "stddev" in row):
        return float(row["mean"]), float(row["stddev"])
    if kind == "min-max":
        low, high = float(row["minimum"]), float(row["maximum"])
        return low, high - low
    if kind == "scale":
        return 0.0, float(row["value"])
    raise ValueError(f"value_scaling of the type {kind!r}, expected z-score, min-max or scale")


def _side(array: Json) -> int:
    """The side of a patch; 512 where the item leaves it open."""
    order = [str(n).lower() for n in array.get("dim_order") or ("batch", "bands", "height", "width")]
    sizes = dict(zip(order, (int(n) for n in array["shape"]), strict=True))
    side, wide = (next((sizes[n] for n in names if n in sizes), 0) for names in (_ROWS, _COLUMNS))
    if side != wide:
        raise ValueError(f"patches of {side} rows and {wide} columns, expected squares")
    return side if side >= _LEAST else _PATCH  # examples state a few pixels where any size goes


def _classes(answer: Json) -> ClassTable:
    rows = answer.get("classification:classes") or answer["classification_classes"]
    return named_classes([(int(c["value"]), _class_name(c), str(c.get("color_hint") or "")) for c in rows])


def _class_name(row: Json) -> str:
    return str(row.get("title") or row.get("name") or row.get("description") or row["value"])


def named_classes(rows: Sequence[tuple[int, str, str]]) -> ClassTable:
    """A class table of values, names and colours (six hex digits); colours of ours where there are none."""
    found = []
    for i, (value, name, hint) in enumerate(rows):
        colour = [int(hint[k : k + 2], 16) for k in (0, 2, 4)] if len(hint) == 6 else list(ISPRS.classes[i % 6].colour)
        found.append({"value": value, "name": name, "colour": colour, "role": role_of_name(name)})
    return ClassTable.from_json(found)
