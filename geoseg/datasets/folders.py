"""Data sets that are plain folders: image and label pairs, patches, images with polygons or boxes; drawn scenes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from geoseg.classes import NODATA, ClassTable
from geoseg.datasets.items import ImageFile, Item, LabelFile
from geoseg.datasets.label_colours import told_legend
from geoseg.datasets.label_raster import check_labels, open_labels
from geoseg.datasets.legend import Legend, table_legend
from geoseg.datasets.pairs import is_label_name, pair_labels
from geoseg.datasets.scene_cache import DrawnScene
from geoseg.datasets.shapes import Codes, PolygonFile
from geoseg.errors import UsageError
from geoseg.geometry.ground import metres_per_unit
from geoseg.plan import Header, transform_of
from geoseg.sheets.bands import band_meanings, bands_in_words
from geoseg.sheets.door import read_header
from geoseg.sheets.images import SUFFIXES, picture_size

__all__ = [
    "CODES",
    "ImageFacts",
    "box_items",
    "image_file",
    "label_file",
    "pair_items",
    "patch_items",
    "polygon_items",
    "prefix_names",
    "scene_items",
    "unlabelled_items",
]

TIFF = (".tif", ".tiff")


@dataclass(frozen=True)
class ImageFacts:
    """Facts about the images of a data set that their files may not give.

    `bands` to use, counted from 1; where nobody named any, `wanted` holds the meanings of those to look for; `gsd` in
    metres (0: the file must say it); `crs` for files without one; `nodata` as (value, tolerance) pairs; `value_range`
    holds the values that become the darkest and brightest of the network, whose data type is `dtype`; `codes` allows
    what rasters of classes have: a colour table, whole numbers of 32 bits.
    """

    bands: tuple[int, ...] = (1, 2, 3)
    gsd: float = 0.0
    crs: str = ""
    nodata: tuple[tuple[float, float], ...] = ()
    value_range: tuple[float, float] | None = None
    codes: bool = False
    dtype: str = "uint8"
    wanted: tuple[str, ...] = ()


PLAIN = ImageFacts()

CODES = ImageFacts(bands=(1,), gsd=1.0, codes=True)
"""Rasters of class values or label colours, which need no pixel size."""


def image_file(path: Path, facts: ImageFacts = PLAIN) -> ImageFile:
    """One image: a GeoTIFF with its own place, or that of its .tfw and `facts.crs`; or a PNG or JPEG.

    Raises:
        SheetError: the file cannot be opened.
        UsageError: its pixel size is not known, or it lacks a band.
    """
    if path.suffix.lower() in SUFFIXES:
        if not facts.gsd:
            raise UsageError(path, "does not say its pixel size", "give `gsd` in metres")
        shape = picture_size(path)
        return ImageFile(
            "picture", str(path), shape, facts.bands, facts.gsd, value_range=facts.value_range, dtype=facts.dtype
        )
    header = read_header(path, codes=facts.codes)
    bands = _bands_of(path, header, facts)
    gsd, wkt, transform = _ground(header, facts)
    if not gsd:
        raise UsageError(path, "has no place on Earth and does not say its pixel size", "give `gsd` in metres")
    return ImageFile(
        "sheet",
        str(path),
        (header.height, header.width),
        bands,
        gsd,
        wkt,
        transform,
        facts.nodata,
        facts.value_range,
        bare_transform=tuple(transform_of(header)[:6]) if header.georeferenced and not wkt else (),
        dtype=facts.dtype,
    )


def _bands_of(path: Path, header: Header, facts: ImageFacts) -> tuple[int, ...]:
    """The bands to use: those that were named, those that mean what is wanted, or the first ones.

    Raises:
        UsageError: the file lacks one of them.
    """
    meanings = band_meanings(header)
    if facts.wanted and "other" not in facts.wanted:
        if set(facts.wanted) <= set(meanings):
            return tuple(meanings.index(b) + 1 for b in facts.wanted)
        if set(meanings) != {"other"}:
            what = f"has {bands_in_words(header)}; the network wants {', '.join(facts.wanted)}"
            raise UsageError(path, what, "say with `bands` of this data set which those are, such as [1, 2, 3]")
    if max(facts.bands) > header.bands:
        raise UsageError(path, f"has {header.bands} bands, `bands` asks for {list(facts.bands)}", "bands count from 1")
    return facts.bands


def _ground(header: Header, facts: ImageFacts) -> tuple[float, str, tuple[float, ...]]:
    """(metres per pixel or 0, CRS, transform); CRS and transform are empty without a place on Earth."""
    place, wkt = transform_of(header), header.crs
    if facts.crs and not wkt:
        from rasterio.crs import CRS

        wkt = CRS.from_user_input(facts.crs).to_wkt()
    if wkt and header.georeferenced:
        centre = place @ (header.width / 2, header.height / 2)
        gsd = abs(place.a * place.e - place.b * place.d) ** 0.5 * metres_per_unit(wkt, *centre)
        return gsd, wkt, tuple(place[:6])
    if header.georeferenced and not facts.gsd:
        return abs(place.determinant) ** 0.5, "", ()
    return facts.gsd, "", ()


def _find_images(root: Path, pattern: str, suffixes: tuple[str, ...] = TIFF + SUFFIXES) -> list[Path]:
    if not root.exists():
        raise UsageError(root, "does not exist", "check `root` of this data set")
    paths = [root] if root.is_file() else sorted(p for p in root.glob(pattern) if p.suffix.lower() in suffixes)
    if not paths:
        raise UsageError(root, f"holds no image that matches {pattern!r}", "check `images` of this data set")
    return paths


def pair_items(
    root: Path, images: str, labels: str, legend: Legend | ClassTable, facts: ImageFacts, option: str = "`labels`"
) -> list[Item]:
    """Images and label rasters that match by name (`a_RGB.tif`, `a_label.png`), or one of each, both named in full.

    Args:
        root: folder, or one image.
        images: pattern of the images in it.
        labels: pattern of the label rasters in it.
        legend: how labels are decoded; a class table where each label's own colours or values tell.
        facts: what the image files do not say.
        option: what chooses among several labels, for messages.

    Raises:
        UsageError: an image without a label, or with several.
        SheetError: a label does not lie where its image lies; without georeference, if they differ in size.
    """
    pictures, masks = _apart(_find_images(root, images), _find_images(root, labels))
    if len(pictures) == len(masks) == 1 and not set("*?[") & set(images + labels):  # named one by one
        found = {pictures[0]: masks[0]}
    else:
        found = pair_labels(pictures, masks, labels, option=option)
    items = []
    for path in pictures:
        image = image_file(path, facts)
        items.append(Item.whole(path.stem, image, label_file(found[path], legend, image)))
    return items


def _apart(images: list[Path], labels: list[Path]) -> tuple[list[Path], list[Path]]:
    """Photos and labels, where a file may match both patterns: then its name decides, if the patterns do not."""
    pictures = [p for p in images if p not in set(labels)]
    if pictures:
        return pictures, labels
    return [p for p in images if not is_label_name(p)], [p for p in labels if is_label_name(p)]


def label_file(label: Path, legend: Legend | ClassTable, image: ImageFile, eroded: int = 0) -> LabelFile:
    """A label raster that was checked against its image.

    Raises:
        SheetError: it cannot be opened, does not lie where its image lies, or has colours that nobody named.
    """
    opened = open_labels(label)
    check_labels(opened, image.ground, Path(image.path).name)
    told = told_legend(opened, legend) if isinstance(legend, ClassTable) else legend
    return LabelFile("raster", str(label), told, eroded=eroded)


def patch_items(run: Path, table: ClassTable, facts: ImageFacts) -> list[Item]:
    """The patches of `geoseg tile --write-patches --labels`; they overlap, so split them by ground, never by name.

    Raises:
        UsageError: a patch without a label patch.
    """
    labels = run / "patches" / "labels"
    items = []
    for path in _find_images(run / "patches", "*.tif", TIFF):
        label = labels / path.name
        if not label.is_file():
            raise UsageError(path, "has no label patch", "run geoseg tile with --write-patches and --labels")
        image = image_file(path, facts)
        items.append(Item.whole(path.stem, image, label_file(label, table_legend(table), image)))
    return items


def polygon_items(
    root: Path, images: str, polygons: PolygonFile, facts: ImageFacts, buildings: int = NODATA
) -> list[Item]:
    """Georeferenced images with one file of polygons, which are burnt when a window is read.

    `buildings`: the label code of outlines of single buildings, 255 for none.

    Raises:
        UsageError: an image without a CRS, or no such file.
    """
    if not Path(polygons.path).is_file():
        raise UsageError(polygons.path, "does not exist", "check `labels` of this data set")
    labels = LabelFile("polygons", polygons.path, None, polygons.codes, polygons.column, polygons.rest, 0, buildings)
    items = []
    for path in _find_images(root, images, TIFF):
        image = image_file(path, facts)
        if not image.crs:
            raise UsageError(path, "has no CRS, so polygons cannot be laid on it", "give `crs`")
        items.append(Item.whole(path.stem, image, labels))
    return items


def box_items(root: Path, images: str, codes: Codes, rest: int, facts: ImageFacts) -> list[Item]:
    """Images with YOLO text files of the same name beside them; `codes` of class numbers, `rest` outside all boxes.

    Raises:
        UsageError: an image without a text file.
    """
    items = []
    for path in _find_images(root, images):
        label = path.with_suffix(".txt")
        if not label.is_file():
            raise UsageError(path, "has no .txt of boxes beside it", "expected one of the same name")
        items.append(
            Item.whole(path.stem, image_file(path, facts), LabelFile("boxes", str(label), None, codes, rest=rest))
        )
    return items


def unlabelled_items(root: Path, images: str, facts: ImageFacts) -> list[Item]:
    """Images alone, for self-training: no pixel of them has a label.

    Raises:
        UsageError: no image matches the pattern.
        SheetError: an image cannot be opened.
    """
    return [
        Item.whole(path.stem, image_file(path, facts), LabelFile("none", "")) for path in _find_images(root, images)
    ]


def scene_items(
    first_seed: int,
    count: int,
    metres: float,
    gsd: tuple[float, float],
    bands: tuple[int, ...],
    cache: str = "",
    quarters: tuple[str, ...] = (),
) -> list[Item]:
    """Drawn scenes of `metres` x `metres`, with seeds from `first_seed` on.

    Their pixel sizes differ within `gsd`, and one in five is drawn twice as fine and averaged. `cache` is the folder
    that keeps them, "" for none. `quarters` are kinds of town to take turns, none for those like Potsdam's.
    """
    items = []
    for seed in range(first_seed, first_seed + count):
        rng = np.random.default_rng([seed, 17])
        size = round(float(rng.uniform(*gsd)), 4)
        scene = DrawnScene(seed, metres, size, bool(rng.uniform() < 0.2), cache)
        if quarters:
            scene = replace(scene, quarter=quarters[seed % len(quarters)])
        image = ImageFile("scene", f"scene {seed}", scene.shape, bands, size, scene=scene)
        items.append(Item.whole(f"scene_{seed}", image, LabelFile("scene", "", rest=NODATA)))
    return items


def prefix_names(items: list[Item], prefix: str) -> list[Item]:
    """Items with a prefix to their names, so that names of several sets stay apart."""
    return [replace(i, name=f"{prefix}/{i.name}") for i in items]
