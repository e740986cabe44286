"""corrections.json: what a set of corrections holds, and of which map and network it speaks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from geoseg.arrays import Json
from geoseg.classes import NODATA, NOT, ClassTable
from geoseg.commit import commit_state, read_json
from geoseg.errors import PlanError, UsageError

__all__ = ["Manifest", "image_path", "is_set", "label_path", "label_values", "read_manifest", "write_manifest"]

_NAME = "corrections.json"
_CURE = "make it again with geoseg corrections RUN -o SET"


@dataclass(frozen=True)
class Manifest:
    """What a set holds.

    Attributes:
        run: identity of the run, "" for sets of before.
        run_ids: maps that people have looked at.
        parents: name, key and SHA-256 of each network that made the latest of them.
        values: meaning of each label value: a class, or `not` and a class; 255 is not known.
        gsd: metres on the ground per pixel.
        bands: of the crops, in the network's order.
        dtype: of the crops.
        crops: names of the crops.
        counts: of answers by what they say, and of known pixels by class.
    """

    run_ids: list[str]
    parents: list[Json]
    values: dict[str, str]
    gsd: float
    bands: int
    dtype: str
    crops: list[str]
    counts: dict[str, dict[str, int]]
    run: str = ""


def label_values(table: ClassTable) -> dict[str, int]:
    """The label value of each class, and of `not` each class: the largest values that no class has.

    Classes beyond the 126th have no value for `not`, since a network cannot learn it either.
    """
    values = {c.name: c.value for c in table.classes}
    free = [v for v in range(NODATA - 1, -1, -1) if v not in set(values.values())]
    denied = [f"not {c.name}" for c in table.classes[: NODATA - NOT - 1]]
    return values | dict(zip(denied, free, strict=False))


def image_path(folder: Path, crop: str) -> Path:
    """The photo of a crop."""
    return folder / "images" / f"{crop}.tif"


def label_path(folder: Path, crop: str) -> Path:
    """The labels of a crop."""
    return folder / "labels" / f"{crop}.tif"


def is_set(folder: Path) -> bool:
    """Whether a folder holds a set of corrections."""
    return (folder / _NAME).is_file()


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Commit corrections.json; with it the set is whole."""
    path = folder / _NAME
    commit_state(path, asdict(manifest))
    return path


def read_manifest(folder: Path) -> Manifest:
    """What a set holds.

    Raises:
        UsageError: it is no such set, or was changed.
    """
    if not is_set(folder):
        raise UsageError(folder, f"holds no {_NAME}", _CURE)
    try:
        return Manifest(**read_json(folder / _NAME))
    except (PlanError, TypeError) as error:
        raise UsageError(folder / _NAME, f"cannot be read: {error}", _CURE) from error
