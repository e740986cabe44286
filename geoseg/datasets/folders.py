"""Data sets that are plain folders: image and label pairs, patches, images with polygons or boxes; drawn scenes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from geoseg.classes import NODATA, ClassTable
from geoseg.datasets.items import ImageFile, Item, LabelFile
from geoseg.datasets.legend import Legend, table_legend
from geoseg.datasets.scene_cache import DrawnScene
from geoseg.datasets.shapes import Codes, PolygonFile
from geoseg.errors import SheetError, UsageError
from geoseg.geometry.ground import metres_per_unit
from geoseg.plan import Header, transform_of
from geoseg.sheets.door import read_header
from geoseg.sheets.images import SUFFIXES, picture_size

__all__ = [
    "CODES",
    "ImageFacts",
    "box_items",
    "image_file",
    "pair_items",
    "patch_items",
    "polygon_items",
    "prefix_names",
    "scene_items",
    "stem_of",
]

TIFF = (".tif", ".tiff")
_ENDING = re.compile(
    r"[_-]?(rgb|irrg|rgbir|rgbi|ortho|images?|img|labels?|classes|masks?|gt|noboundary|building|truth)$", re.IGNORECASE
)


def stem_of(path: Path) -> str:
    """File name without suffix and without the words that tell image from label, lower case."""
    stem = path.stem
    while (shorter := _ENDING.sub("", stem)) != stem:
        stem = shorter
    return stem.lower()


@dataclass(frozen=True)
class ImageFacts:
    """Facts about the images of a data set that their files may not give.

    `bands` to use, counted from 1; `gsd` in metres (0: the file must say it); `crs` for files without one; `nodata` as
    (value, tolerance) pairs; `value_range` holds the values that become 0 and 255 where data are not uint8; `palette`
    allows files with a colour table.
    """

    bands: tuple[int, ...] = (1, 2, 3)
    gsd: float = 0.0
    crs: str = ""
    nodata: tuple[tuple[float, float], ...] = ()
    value_range: tuple[float, float] | None = None
    palette: bool = False


PLAIN = ImageFacts()

CODES = ImageFacts(bands=(1,), gsd=1.0, palette=True)
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
        return ImageFile("picture", str(path), picture_size(path), facts.bands, facts.gsd)
    header = read_header(path, palette=facts.palette)
    if max(facts.bands) > header.bands:
        raise UsageError(path, f"has {header.bands} bands, `bands` asks for {list(facts.bands)}", "bands count from 1")
    gsd, wkt, transform = _ground(header, facts)
    if not gsd:
        raise UsageError(path, "has no place on Earth and does not say its pixel size", "give `gsd` in metres")
    shape = (header.height, header.width)
    return ImageFile("sheet", str(path), shape, facts.bands, gsd, wkt, transform, facts.nodata, facts.value_range)


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


def _check_size(image: ImageFile, label: Path) -> None:
    if label.suffix.lower() in SUFFIXES:
        shape = picture_size(label)
    else:
        from geoseg.sheets.door import open_sheet

        with open_sheet(label) as dataset:
            shape = (dataset.height, dataset.width)
    if shape != image.shape:
        raise SheetError(
            label,
            f"is {shape[1]} x {shape[0]} px, its image {image.shape[1]} x {image.shape[0]}",
            "label and image must match pixel by pixel",
        )


def pair_items(root: Path, images: str, labels: str, legend: Legend, facts: ImageFacts) -> list[Item]:
    """Images and label rasters that match by name, such as `a_RGB.tif` and `a_label.png`.

    Args:
        root: folder, or one image.
        images: pattern of the images in it.
        labels: pattern of the label rasters in it.
        legend: how labels are decoded.
        facts: what the image files do not say.

    Raises:
        UsageError: an image without a label.
        SheetError: an image and its label differ in size.
    """
    masks = {stem_of(p): p for p in _find_images(root, labels)}
    pictures = [p for p in _find_images(root, images) if p not in set(masks.values())]
    items = []
    for path in pictures:
        label = masks.get(stem_of(path))
        if label is None:
            raise UsageError(path, f"has no label among {labels!r}", f"expected a name like {stem_of(path)}_label.tif")
        image = image_file(path, facts)
        _check_size(image, label)
        items.append(Item.whole(path.stem, image, LabelFile("raster", str(label), legend)))
    return items


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
        items.append(
            Item.whole(path.stem, image_file(path, facts), LabelFile("raster", str(label), table_legend(table)))
        )
    return items


def polygon_items(root: Path, images: str, polygons: PolygonFile, facts: ImageFacts) -> list[Item]:
    """Georeferenced images with one file of polygons, which are burnt when a window is read.

    Raises:
        UsageError: an image without a CRS, or no such file.
    """
    if not Path(polygons.path).is_file():
        raise UsageError(polygons.path, "does not exist", "check `labels` of this data set")
    labels = LabelFile("polygons", polygons.path, None, polygons.codes, polygons.column, polygons.rest)
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


def scene_items(
    first_seed: int, count: int, metres: float, gsd: tuple[float, float], bands: tuple[int, ...], cache: str = ""
) -> list[Item]:
    """Drawn scenes of `metres` x `metres`, with seeds from `first_seed` on.

    Their pixel sizes differ within `gsd`, and one in five is drawn twice as fine and averaged. `cache` is the folder
    that keeps them, "" for none.
    """
    items = []
    for seed in range(first_seed, first_seed + count):
        rng = np.random.default_rng([seed, 17])
        size = round(float(rng.uniform(*gsd)), 4)
        scene = DrawnScene(seed, metres, size, bool(rng.uniform() < 0.2), cache)
        image = ImageFile("scene", f"scene {seed}", scene.shape, bands, size, scene=scene)
        items.append(Item.whole(f"scene_{seed}", image, LabelFile("scene", "", rest=NODATA)))
    return items


def prefix_names(items: list[Item], prefix: str) -> list[Item]:
    """Items with a prefix to their names, so that names of several sets stay apart."""
    return [replace(i, name=f"{prefix}/{i.name}") for i in items]
