"""Items of a set of corrections, for training."""

from __future__ import annotations

from pathlib import Path

from geoseg.classes import ClassTable
from geoseg.datasets.corrections.manifest import Manifest, image_path, label_path, read_manifest
from geoseg.datasets.folders import ImageFacts, image_file, label_file
from geoseg.datasets.items import Item
from geoseg.datasets.legend import legend_of_classes
from geoseg.errors import UsageError

__all__ = ["correction_items"]


def correction_items(folder: Path, table: ClassTable, count: int, facts: ImageFacts) -> list[Item]:
    """The crops of a set, with labels by the names of the network's classes.

    Args:
        folder: what `geoseg corrections` has made.
        table: classes of the network.
        count: bands that the network takes.
        facts: what the config says of the pixels; crops hold the bands in the network's order.

    Raises:
        UsageError: it is no such set, names a class that the network lacks, or has other bands.
        SheetError: a crop is damaged or missing.
    """
    manifest = read_manifest(folder)
    if manifest.bands != count:
        what = f"holds {manifest.bands} bands, the network takes {count}"
        raise UsageError(folder, what, "train a network of the bands that the map was made from")
    legend = legend_of_classes(_named(manifest), table, folder)
    items = []
    for crop in manifest.crops:
        image = image_file(image_path(folder, crop), facts)
        items.append(Item.whole(crop, image, label_file(label_path(folder, crop), legend, image)))
    return items


def _named(manifest: Manifest) -> dict[str | int, str]:
    return {int(value): name for value, name in manifest.values.items()}
