"""Small folders laid out and named like the public data sets, with their known defects."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine
from support import PLACE, moved, write_sheet

from geoseg.classes import ISPRS
from geoseg.datasets.items import Item, read_labels

COLOURS = np.array([c.colour for c in ISPRS.classes], np.uint8)


def patchwork(rng: np.random.Generator, shape: tuple[int, int], classes: int = 6, cell: int = 16) -> np.ndarray:
    """Class indices (H, W) in squares."""
    rows, cols = -(-shape[0] // cell), -(-shape[1] // cell)
    return np.kron(rng.integers(0, classes, (rows, cols)), np.ones((cell, cell), int))[: shape[0], : shape[1]].astype(
        np.uint8
    )


def picture_of(labels: np.ndarray, rng: np.random.Generator, bands: int = 3) -> np.ndarray:
    """An image (C, H, W) whose colour tells the class."""
    palette = np.array(
        [
            [90, 90, 95, 80],
            [170, 80, 70, 90],
            [130, 170, 90, 190],
            [40, 90, 40, 160],
            [200, 200, 40, 60],
            [150, 120, 160, 100],
        ]
    )
    pixels = palette[labels % 6][..., :bands].transpose(2, 0, 1) + rng.normal(0, 8, (bands, *labels.shape))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def potsdam(
    root: Path, numbers: tuple[str, ...] = ("2_10", "3_10", "6_7"), side: int = 160, world_files: bool = False
) -> Path:
    """The release's folders and names; 4_12 re-encoded with loss, 6_7 with its odd yellow; also with .tfw only."""
    rng = np.random.default_rng(5)
    for k, number in enumerate(numbers):
        labels = patchwork(rng, (side, side))
        place = moved(PLACE, k * side, 0)
        for folder, word, bands in (
            ("2_Ortho_RGB", "RGB", 3),
            ("3_Ortho_IRRG", "IRRG", 3),
            ("4_Ortho_RGBIR", "RGBIR", 4),
        ):
            path = root / folder / folder / f"top_potsdam_{number}_{word}.tif"  # nested, as some archives unpack
            if world_files:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", NotGeoreferencedWarning)
                    write_sheet(path, picture_of(labels, rng, bands), crs=None, place=Affine.identity())
                half = place @ (0.5, 0.5)
                path.with_suffix(".tfw").write_text(f"{place.a}\n0\n0\n{place.e}\n{half[0]}\n{half[1]}\n")
            else:
                write_sheet(path, picture_of(labels, rng, bands), place=place)
        colours = COLOURS[labels].transpose(2, 0, 1).copy()
        if number == "4_12":
            colours = np.clip(colours.astype(int) + rng.integers(-30, 31, colours.shape), 0, 255).astype(np.uint8)
        if number == "6_7":
            colours[0][labels == 4] = 252
        borders = colours.copy()
        borders[:, ::16] = 0
        write_sheet(root / "5_Labels_all" / f"top_potsdam_{number}_label.tif", colours, place=place)
        write_sheet(
            root / "5_Labels_all_noBoundary" / f"top_potsdam_{number}_label_noBoundary.tif", borders, place=place
        )
    return root


def vaihingen(root: Path, numbers: tuple[int, ...] = (1, 30, 2), side: int = 128) -> Path:
    """top/ and ground truth folders with areas."""
    rng = np.random.default_rng(6)
    for k, number in enumerate(numbers):
        labels, place = patchwork(rng, (side, side)), moved(PLACE, k * side, 0)
        write_sheet(root / "top" / f"top_mosaic_09cm_area{number}.tif", picture_of(labels, rng), place=place)
        write_sheet(
            root / "gts" / f"top_mosaic_09cm_area{number}.tif", COLOURS[labels].transpose(2, 0, 1).copy(), place=place
        )
    return root


def voc(root: Path, count: int = 6) -> Path:
    """VOCdevkit/VOC2012 with palette labels and void borders."""
    base, rng = root / "VOCdevkit" / "VOC2012", np.random.default_rng(7)
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    names = [f"2007_{i:06d}" for i in range(count)]
    for name in names:
        labels = patchwork(rng, (96, 128), 21)
        Image.fromarray(picture_of(labels, rng).transpose(1, 2, 0)).save(base / "JPEGImages" / f"{name}.jpg")
        labels[::16] = 255
        mask = Image.fromarray(labels, "L").convert("P")
        mask.putdata(labels.ravel().tolist())
        mask.putpalette([v for i in range(256) for v in (i, 255 - i, (7 * i) % 256)])
        mask.save(base / "SegmentationClass" / f"{name}.png")
    half = count // 2
    (base / "ImageSets/Segmentation/train.txt").write_text("\n".join(names[:half]))
    (base / "ImageSets/Segmentation/val.txt").write_text("\n".join(names[half:]))
    (base / "ImageSets/Segmentation/trainval.txt").write_text("\n".join(names))
    return root


def cityscapes(root: Path) -> Path:
    """leftImg8bit and gtFine of two towns."""
    rng = np.random.default_rng(8)
    for split, town in (("train", "aachen"), ("val", "lindau"), ("test", "bonn")):
        for k in range(2):
            labels = np.array([7, 8, 11, 21, 22, 24, 26, 0], np.uint8)[patchwork(rng, (96, 192), 8)]
            stem = f"{town}_{k:06d}_000019"
            image, fine = root / "leftImg8bit" / split / town, root / "gtFine" / split / town
            image.mkdir(parents=True, exist_ok=True)
            fine.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture_of(labels, rng).transpose(1, 2, 0)).save(image / f"{stem}_leftImg8bit.png")
            Image.fromarray(labels).save(fine / f"{stem}_gtFine_labelIds.png")
            for other in ("instanceIds", "color"):
                Image.fromarray(labels).save(fine / f"{stem}_gtFine_{other}.png")
            (fine / f"{stem}_gtFine_polygons.json").write_text("{}")
    return root


def labels_of(item: Item) -> np.ndarray:
    """All labels of an item."""
    return read_labels(item, item.window)
