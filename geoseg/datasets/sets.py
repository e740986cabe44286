"""From the data sections of a config to labelled sets, split and checked for leaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from geoseg.classes import ISPRS, NODATA, ClassTable
from geoseg.datasets.corrections.items import correction_items
from geoseg.datasets.folders import (
    ImageFacts,
    box_items,
    pair_items,
    patch_items,
    polygon_items,
    prefix_names,
    scene_items,
    unlabelled_items,
)
from geoseg.datasets.isprs import isprs_items
from geoseg.datasets.items import Item
from geoseg.datasets.legend import (
    Legend,
    code_of,
    colour_legend,
    cube_legend,
    legend_of_classes,
    named_codes,
    table_legend,
)
from geoseg.datasets.public import TABLES, cityscapes_items, voc_items
from geoseg.datasets.samples import LabelledSet
from geoseg.datasets.shapes import Codes, PolygonFile
from geoseg.datasets.split import SPLITS, Split, cut, refuse_leaks, split_items
from geoseg.errors import UsageError
from geoseg.learn.settings import DataSection, ModelSection, SplitSection
from geoseg.scenes.quarters import QUARTERS

__all__ = ["class_table", "labelled_sets"]

Parts = dict[str, list[Item]]


def class_table(model: ModelSection) -> ClassTable:
    """The class table that a config names, or lists class by class."""
    if isinstance(model.classes, str):
        return TABLES[model.classes]
    return ClassTable.from_json([row.model_dump() for row in model.classes])


def labelled_sets(
    sections: Sequence[DataSection],
    table: ClassTable,
    bands: tuple[str, ...],
    cache: Path | None,
    dtype: str = "uint8",
) -> dict[str, list[LabelledSet]]:
    """Labelled sets of each split.

    Args:
        sections: the data sets of a config.
        table: classes of the network.
        bands: meanings of those that the network takes, in its order.
        cache: folder that keeps drawn scenes.
        dtype: data type of the network's pixels.

    Raises:
        UsageError: a section cannot be read, has other bands, or splits share ground.
        SheetError: a file is damaged.
    """
    sets: dict[str, list[LabelledSet]] = {name: [] for name in SPLITS}
    whole: Parts = {name: [] for name in SPLITS}
    for number, section in enumerate(sections, 1):
        name = section.name or f"{section.kind}{number}"
        parts = _parts(section, table, bands, cache)
        for split in SPLITS:
            items = [_as_type(i, dtype) for i in prefix_names(parts[split], name)]
            whole[split] += items
            if items:
                sets[split].append(LabelledSet(name, tuple(items), section.share, section.kind in PATCHY))
    refuse_leaks(whole)
    return sets


def _as_type(item: Item, dtype: str) -> Item:
    """The item with pixels in the network's data type; drawn scenes and pictures of 8 bits are spread over it."""
    image, eight_bits = item.image, item.image.kind in ("scene", "picture") and dtype != "uint8"
    spread = image.value_range or ((0.0, 255.0) if eight_bits else None)
    return replace(item, image=replace(image, dtype=dtype, value_range=spread))


def _parts(section: DataSection, table: ClassTable, bands: tuple[str, ...], cache: Path | None) -> Parts:
    """Items of one section by split."""
    if section.kind in OFFICIAL:
        parts = {s: _resized(part, section) for s, part in OFFICIAL[section.kind](section, table).items()}
        items = [i for part in parts.values() for i in part]
    else:
        items = _cut_to_box(_resized(OWN[section.kind](section, table, bands, cache), section), section)
        parts = split_items(items, _split(section))
    count = len(items[0].image.bands) if items else len(bands)
    if count != len(bands):
        raise UsageError(
            section.name or section.kind,
            f"gives {count} bands, the network takes {len(bands)}",
            "set `bands` or `sheets` of this data set",
        )
    if section.use == "split":
        return parts
    return {name: (items if name == section.use else []) for name in SPLITS}


def _resized(items: list[Item], section: DataSection) -> list[Item]:
    """The items with their whole pictures brought to the section's `resize`, where it has one."""
    if section.resize is None:
        return items
    name, size = section.name or section.kind, section.resize
    if not all(16 <= n <= 8192 for n in size):
        raise UsageError(
            name, f"has resize {list(size)}, expected rows and columns of 16 to 8192", "such as [256, 256]"
        )
    odd = next((i for i in items if i.image.kind != "picture" or i.labels.kind != "raster"), None)
    if odd is not None:
        what = f"has resize, which is for whole PNG or JPEG pictures with label rasters; {odd.name} is none"
        raise UsageError(name, what, "set model.gsd: patches are resampled to it")
    return [i.resized(size) for i in items]


def _cut_to_box(items: list[Item], section: DataSection) -> list[Item]:
    """The parts of items inside the section's bbox; all of them where it has none."""
    if section.bbox is not None:
        items = [part for i in items if (part := cut(i, *section.bbox)) is not None]
    if not items:
        raise UsageError(
            section.name or section.kind,
            f"has no image inside bbox {section.bbox}",
            "bbox is left, bottom, right, top in the images' CRS",
        )
    return items


def _split(section: DataSection) -> Split:
    s = section.split
    names = (*((n, "validation") for n in s.validation), *((n, "test") for n in s.test))
    return Split(names, s.side, s.blocks, s.share, s.gap, s.to, s.seed)


def _facts(section: DataSection, bands: tuple[str, ...]) -> ImageFacts:
    chosen = tuple(section.bands) or tuple(range(1, len(bands) + 1))
    if section.range is not None and section.range[0] >= section.range[1]:
        what = f"has the range {list(section.range)}, expected [low, high] with low < high"
        raise UsageError(section.name or section.kind, what, "for instance [0, 4095]")
    wanted = () if section.bands else bands
    return ImageFacts(chosen, section.gsd, section.crs, _nodata(section.nodata), section.range, wanted=wanted)


def _nodata(text: str | float) -> tuple[tuple[float, float], ...]:
    found = re.fullmatch(r"\s*(-?[\d.]+)(?:~([\d.]+))?\s*", str(text))
    if str(text).strip() and not found:
        raise UsageError("nodata", f"{text!r}, expected VALUE or VALUE~TOLERANCE", "for instance 255~12")
    return ((float(found[1]), float(found[2] or 0)),) if found else ()


def _legend(section: DataSection, table: ClassTable) -> Legend | ClassTable:
    """The legend of a section; its class table where each label raster tells its own."""
    subject = section.name or section.kind
    rest = code_of(section.rest, table, subject) if section.rest else -1
    if section.legend == "isprs":
        return cube_legend(table)
    if section.classes:
        return legend_of_classes(section.classes, table, subject, rest, colours=section.legend == "colours")
    if section.legend == "colours":
        return colour_legend(table)
    return table if section.legend == "auto" and rest < 0 else replace(table_legend(table), rest=rest)


def _pairs(section: DataSection, table: ClassTable, bands: tuple[str, ...], cache: Path | None) -> list[Item]:
    if not section.labels:
        raise UsageError(section.name or "pairs", "has no `labels`", "give a pattern such as labels/*.tif")
    return pair_items(section.root, section.images, section.labels, _legend(section, table), _facts(section, bands))


def _patches(section: DataSection, table: ClassTable, bands: tuple[str, ...], cache: Path | None) -> list[Item]:
    return patch_items(section.root, table, _facts(section, bands))


def _shape_codes(section: DataSection, table: ClassTable) -> tuple[Codes, int]:
    """Codes of the section's `classes`, and the code of all that no shape covers."""
    subject = section.name or section.kind
    codes = named_codes(section.classes, table, subject)
    if not codes:
        raise UsageError(subject, "has no `classes`", "for instance {'*': building}")
    return tuple(codes.items()), code_of(section.rest, table, subject) if section.rest else NODATA


def _polygons(section: DataSection, table: ClassTable, bands: tuple[str, ...], cache: Path | None) -> list[Item]:
    codes, rest = _shape_codes(section, table)
    polygons = PolygonFile(str(section.root / section.labels), codes, section.column, rest)
    known = {code for _, code in codes}
    roofs = [i for i, c in enumerate(table.classes) if c.role == "building" and i in known]
    return polygon_items(section.root, section.images, polygons, _facts(section, bands), *roofs[:1])


def _boxes(section: DataSection, table: ClassTable, bands: tuple[str, ...], cache: Path | None) -> list[Item]:
    codes, rest = _shape_codes(section, table)
    return box_items(section.root, section.images, codes, rest, _facts(section, bands))


def _unlabelled(section: DataSection, table: ClassTable, bands: tuple[str, ...], cache: Path | None) -> list[Item]:
    if section.use in ("validation", "test") or section.split != SplitSection():
        raise UsageError(
            section.name or "unlabelled", "has no labels to score with", "set `use: train`, and no `split`"
        )
    return unlabelled_items(section.root, section.images, _facts(section, bands))


def _scenes(section: DataSection, table: ClassTable, bands: tuple[str, ...], cache: Path | None) -> list[Item]:
    if table != ISPRS:
        raise UsageError(section.name or "scenes", "are drawn with the ISPRS classes", "set model.classes to isprs")
    if unknown := sorted(set(section.quarters) - set(QUARTERS)):
        raise UsageError(
            section.name or "scenes", f"`quarters` names {', '.join(unknown)}", f"known: {', '.join(QUARTERS)}"
        )
    chosen = tuple(section.bands) or tuple(range(1, len(bands) + 1))
    kept = str(cache) if cache is not None and section.cache else ""
    return scene_items(
        section.seed, section.count, section.metres, section.pixel_sizes, chosen, kept, tuple(section.quarters)
    )


def _corrections(section: DataSection, table: ClassTable, bands: tuple[str, ...], cache: Path | None) -> list[Item]:
    chosen = replace(_facts(section, bands), wanted=())  # crops hold the bands in the network's order
    return correction_items(section.root, table, len(bands), chosen)


OWN: dict[str, Callable[[DataSection, ClassTable, tuple[str, ...], Path | None], list[Item]]] = {
    "pairs": _pairs,
    "patches": _patches,
    "polygons": _polygons,
    "boxes": _boxes,
    "unlabelled": _unlabelled,
    "corrections": _corrections,
    "scenes": _scenes,
}


def _isprs(section: DataSection, table: ClassTable) -> Parts:
    if table != ISPRS:
        raise UsageError(section.name or "isprs", "has the ISPRS classes", "set model.classes to isprs")
    return isprs_items(
        section.root, section.city, section.sheets, section.boundary, tuple(section.exclude), section.crs
    )


def _voc(section: DataSection, table: ClassTable) -> Parts:
    return voc_items(section.root, section.year)


def _cityscapes(section: DataSection, table: ClassTable) -> Parts:
    return cityscapes_items(section.root)


PATCHY = ("corrections",)
"""Kinds of which most pixels are not known: every sample lies on one that is."""

OFFICIAL: dict[str, Callable[[DataSection, ClassTable], Parts]] = {
    "isprs": _isprs,
    "voc": _voc,
    "cityscapes": _cityscapes,
}
