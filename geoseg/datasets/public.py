"""PASCAL VOC and Cityscapes, found by torchvision's data sets; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

from geoseg.classes import ISPRS, NODATA, ClassTable, LandClass
from geoseg.datasets.items import ImageFile, Item, LabelFile
from geoseg.datasets.legend import Legend
from geoseg.errors import UsageError
from geoseg.sheets.images import picture_size

__all__ = ["CITYSCAPES", "TABLES", "VOC", "cityscapes_items", "voc_items"]

_VOC_NAMES = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]


def _voc_colour(value: int) -> tuple[int, int, int]:
    """The colour of a VOC value, by the rule of the VOC development kit.

    The bits of the value go to red, green and blue in turn, and fill each of them from the top.
    """
    channels = [0, 0, 0]
    for bit in range(8):
        for c in range(3):
            channels[c] |= ((value >> (3 * bit + c)) & 1) << (7 - bit)
    return channels[0], channels[1], channels[2]


VOC = ClassTable(
    tuple(LandClass(i, name, _voc_colour(i), "car" if name == "car" else "other") for i, name in enumerate(_VOC_NAMES))
)
"""The 21 classes of PASCAL VOC; void (255) counts as not known."""

_ROLES = {"road": "road", "building": "building", "vegetation": "tree", "car": "car", "terrain": "ground"}


def _cityscapes_table() -> tuple[ClassTable, Legend]:
    from torchvision.datasets import Cityscapes

    rows = [c for c in Cityscapes.classes if 0 <= c.train_id < NODATA]
    table = ClassTable(
        tuple(
            LandClass(c.train_id, c.name, tuple(c.color), _ROLES.get(c.name, "other"))
            for c in sorted(rows, key=lambda c: c.train_id)
        )
    )
    legend = Legend("values", tuple((c.id, c.train_id) for c in rows), NODATA)
    return table, legend


CITYSCAPES, _CITYSCAPES_LEGEND = _cityscapes_table()
"""The 19 classes of Cityscapes that are scored; all others count as not known."""

TABLES = {"isprs": ISPRS, "voc": VOC, "cityscapes": CITYSCAPES}
"""Class tables by the names that configs and commands use."""


def _item(image: str, label: str, legend: Legend) -> Item:
    path = Path(image)
    shape = picture_size(path)
    source = ImageFile("picture", str(path), shape, (1, 2, 3), 1.0)
    return Item.whole(path.stem, source, LabelFile("raster", str(label), legend))


def voc_items(root: Path, year: str = "2012") -> dict[str, list[Item]]:
    """Items of VOCdevkit/VOC<year> under `root`: its train and val lists.

    Raises:
        UsageError: the folder is not there, or not complete.
    """
    from torchvision.datasets import VOCSegmentation

    legend = Legend("values", (*((i, i) for i in range(21)), (255, NODATA)))
    parts: dict[str, list[Item]] = {"train": [], "validation": [], "test": []}
    for split, name in (("train", "train"), ("validation", "val")):
        try:
            found = VOCSegmentation(str(root), year=year, image_set=name, download=False)
        except (RuntimeError, OSError) as error:
            raise UsageError(root, f"is not a VOC folder: {error}", f"expected VOCdevkit/VOC{year} in it") from error
        parts[split] = [_item(i, m, legend) for i, m in zip(found.images, found.masks, strict=True)]
    return parts


def cityscapes_items(root: Path) -> dict[str, list[Item]]:
    """Items of leftImg8bit and gtFine under `root`: its train and val lists.

    Raises:
        UsageError: the folder is not there, or not complete.
    """
    from torchvision.datasets import Cityscapes

    parts: dict[str, list[Item]] = {"train": [], "validation": [], "test": []}
    for split, name in (("train", "train"), ("validation", "val")):
        try:
            found = Cityscapes(str(root), split=name, mode="fine", target_type="semantic")
        except (RuntimeError, OSError) as error:
            raise UsageError(
                root, f"is not a Cityscapes folder: {error}", "expected leftImg8bit and gtFine in it"
            ) from error
        parts[split] = [_item(i, t[0], _CITYSCAPES_LEGEND) for i, t in zip(found.images, found.targets, strict=True)]
    return parts
