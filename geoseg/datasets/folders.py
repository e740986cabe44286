"""Data sets that are folders: image and label pairs, patches of `geoseg tile`, images with polygons or boxes, drawn scenes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from geoseg.classes import NODATA, ClassTable
from geoseg.datasets.drawn import DrawnScene
from geoseg.datasets.items import ImageFile, Item, LabelFile
from geoseg.datasets.legend import Legend, table_legend
from geoseg.errors import SheetError, UsageError
from geoseg.geometry.ground import metres_per_unit
from geoseg.plan import transform_of
from geoseg.sheets.door import read_header
from geoseg.sheets.images import SUFFIXES, picture_size

__all__ = ["box_items", "image_file", "pair_items", "patch_items", "polygon_items", "scene_items", "stem_of"]

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


def image_file(
    path: Path,
    bands: Sequence[int] = (1, 2, 3),
    *,
    gsd: float = 0.0,
    crs: str = "",
    nodata: tuple[tuple[float, float], ...] = (),
    value_range: tuple[float, float] | None = None,
    palette: bool = False,
) -> ImageFile:
    """One image: a GeoTIFF (its own place, or that of its .tfw and `crs`), or a PNG or JPEG, whose `gsd` must be given.

    Raises:
        SheetError: cannot be opened. UsageError: no GSD to be had, or a band it lacks.
    """
    chosen = tuple(bands)
    if path.suffix.lower() in SUFFIXES:
        if not gsd:
            raise UsageError(path, "does not say its pixel size", "give `gsd` in metres")
        return ImageFile("picture", str(path), picture_size(path), chosen, gsd)
    header = read_header(path, palette=palette)
    if max(chosen) > header.bands:
        raise UsageError(path, f"has {header.bands} bands, `bands` asks for {list(chosen)}", "bands count from 1")
    place, wkt = transform_of(header), header.crs
    if crs and not wkt:
        from rasterio.crs import CRS

        wkt = CRS.from_user_input(crs).to_wkt()
    if not header.georeferenced:
        wkt = ""
    own = gsd
    if wkt:
        centre = place @ (header.width / 2, header.height / 2)
        own = abs(place.a * place.e - place.b * place.d) ** 0.5 * metres_per_unit(wkt, *centre)
    elif header.georeferenced and not gsd:
        own = abs(place.determinant) ** 0.5
    if not own:
        raise UsageError(path, "has no place on Earth and does not say its pixel size", "give `gsd` in metres")
    return ImageFile(
        "sheet",
        str(path),
        (header.height, header.width),
        chosen,
        gsd if gsd and not wkt else own,
        wkt,
        tuple(place[:6]) if wkt else (),
        nodata,
        value_range,
    )


def _whole(image: ImageFile) -> tuple[int, int, int, int]:
    return 0, 0, *image.shape


def _found(root: Path, pattern: str, suffixes: tuple[str, ...] = TIFF + SUFFIXES) -> list[Path]:
    if not root.exists():
        raise UsageError(root, "does not exist", "check `root` of this data set")
    paths = [root] if root.is_file() else sorted(p for p in root.glob(pattern) if p.suffix.lower() in suffixes)
    if not paths:
        raise UsageError(root, f"holds no image that matches {pattern!r}", "check `images` of this data set")
    return paths


def _same_size(image: ImageFile, label: Path) -> None:
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


def pair_items(root: Path, images: str, labels: str, legend: Legend, prototype: ImageFile) -> list[Item]:
    """Images and label rasters that match by name (`a_RGB.tif` and `a_label.png`); `prototype` carries bands, GSD, CRS and no-data.

    Raises:
        UsageError: an image without a label. SheetError: sizes that differ.
    """
    masks = {stem_of(p): p for p in _found(root, labels)}
    pictures = [p for p in _found(root, images) if p not in set(masks.values())]
    items = []
    for path in pictures:
        label = masks.get(stem_of(path))
        if label is None:
            raise UsageError(path, f"has no label among {labels!r}", f"expected a name like {stem_of(path)}_label.tif")
        image = _like(path, prototype)
        _same_size(image, label)
        items.append(Item(path.stem, image, LabelFile("raster", str(label), legend), _whole(image)))
    return items


def _like(path: Path, prototype: ImageFile) -> ImageFile:
    return image_file(
        path,
        prototype.bands,
        gsd=prototype.gsd,
        crs=prototype.crs,
        nodata=prototype.nodata,
        value_range=prototype.value_range,
    )


def patch_items(run: Path, table: ClassTable, prototype: ImageFile) -> list[Item]:
    """What `geoseg tile --write-patches --labels` wrote; patches overlap, so split them by ground, never by name."""
    labels = run / "patches" / "labels"
    items = []
    for path in _found(run / "patches", "*.tif", TIFF):
        label = labels / path.name
        if not label.is_file():
            raise UsageError(path, "has no label patch", "run geoseg tile with --write-patches and --labels")
        image = _like(path, prototype)
        items.append(Item(path.stem, image, LabelFile("raster", str(label), table_legend(table)), _whole(image)))
    return items


def polygon_items(
    root: Path, images: str, polygons: Path, codes: dict[str, int], column: str, rest: int, prototype: ImageFile
) -> list[Item]:
    """Georeferenced images with one file of polygons, burnt when a window is read.

    Raises:
        UsageError: an image without a CRS, or no such file.
    """
    if not polygons.is_file():
        raise UsageError(polygons, "does not exist", "check `labels` of this data set")
    items = []
    for path in _found(root, images, TIFF):
        image = _like(path, prototype)
        if not image.crs:
            raise UsageError(path, "has no CRS, so polygons cannot be laid on it", "give `crs`")
        label = LabelFile("polygons", str(polygons), None, tuple(codes.items()), column, rest)
        items.append(Item(path.stem, image, label, _whole(image)))
    return items


def box_items(root: Path, images: str, codes: dict[str, int], rest: int, prototype: ImageFile) -> list[Item]:
    """Images with YOLO text files of the same name beside them."""
    items = []
    for path in _found(root, images):
        label = path.with_suffix(".txt")
        if not label.is_file():
            raise UsageError(path, "has no .txt of boxes beside it", "expected one of the same name")
        image = _like(path, prototype)
        items.append(
            Item(path.stem, image, LabelFile("boxes", str(label), None, tuple(codes.items()), "", rest), _whole(image))
        )
    return items


def scene_items(
    first_seed: int, count: int, metres: float, gsd: tuple[float, float], bands: tuple[int, ...], cache: str = ""
) -> list[Item]:
    """Drawn scenes; their pixel sizes differ within `gsd`, and one in five is drawn twice as fine and averaged."""
    items = []
    for seed in range(first_seed, first_seed + count):
        rng = np.random.default_rng([seed, 17])
        size = round(float(rng.uniform(*gsd)), 4)
        scene = DrawnScene(seed, metres, size, bool(rng.uniform() < 0.2), cache)
        image = ImageFile("scene", f"scene {seed}", scene.shape, bands, size, scene=scene)
        items.append(Item(f"scene_{seed}", image, LabelFile("scene", "", rest=NODATA), (0, 0, *scene.shape)))
    return items


def renamed(items: list[Item], prefix: str) -> list[Item]:
    """Items with a prefix, so that names of several sets stay apart."""
    return [replace(i, name=f"{prefix}/{i.name}") for i in items]
