"""Predictions and the labels that belong to them: rasters by name, or a model over the items of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, ClassTable
from geoseg.datasets.folders import CODES, image_file, stem_of
from geoseg.datasets.items import ImageFile, Item, LabelFile, read_item
from geoseg.datasets.legend import Legend, cube_legend, decode, named_codes, table_legend
from geoseg.errors import ModelError, UsageError
from geoseg.models.card import Card
from geoseg.options import EvaluateOptions
from geoseg.predict.build import default_lanes
from geoseg.predict.region import predict_region, region_backend, region_lattice, snapped_ratio
from geoseg.sheets.raster import raster_window
from geoseg.stages.evaluate.counts import ReadBytes, Subject

__all__ = ["paired_subjects", "predicted_subjects"]


VECTORS = (".gpkg", ".geojson", ".json", ".shp", ".fgb")


def predicted_subjects(
    items: Sequence[Item], network: Any, card: Card, options: EvaluateOptions, scratch: Path
) -> Iterator[Subject]:
    """Each item with its predictions in two files on disk, so that no region is too large."""
    backends: dict[Any, Any] = {}
    for number, item in enumerate(items):
        if len(item.image.bands) != len(card.bands):
            raise ModelError(
                card.name,
                f"wants {len(card.bands)} bands, {item.name} gives {len(item.image.bands)}",
                "set `bands` of the data set",
            )
        ratio = snapped_ratio(item.image.gsd, card)
        if ratio not in backends:
            backends[ratio] = region_backend(
                network, card, ratio, device=options.device, lanes=default_lanes(), tta=options.tta
            )
        shape = item.region[2:]
        kept = [np.memmap(scratch / f"{number}_{k}.bin", np.uint8, "w+", shape=shape) for k in "cp"]

        def take(window: Window, classes: Bytes, confidence: Bytes, kept: Any = kept, item: Item = item) -> None:
            rows = slice(int(window.row_off) - item.region[0], int(window.row_off) - item.region[0] + len(classes))
            kept[0][rows], kept[1][rows] = classes, confidence

        def read(window: Window, item: Item = item) -> tuple[Bytes, npt.NDArray[np.bool_]]:
            image, _, valid = read_item(item, window)
            return image, valid

        predict_region(read, item.window, region_lattice(card, ratio), backends[ratio], take)
        yield Subject(item, _window_of(kept[0], item), _window_of(kept[1], item))
        for k in "cp":
            (scratch / f"{number}_{k}.bin").unlink()


def _window_of(array: Bytes, item: Item) -> ReadBytes:
    row, col = item.region[:2]

    def read(window: Window) -> Bytes:
        top, left = int(window.row_off) - row, int(window.col_off) - col
        return np.asarray(array[top : top + int(window.height), left : left + int(window.width)])

    return read


def paired_subjects(
    prediction: Path,
    reference: Path,
    options: EvaluateOptions,
    table: ClassTable,
    pattern: str = "*.tif",
    confidence: Path | None = None,
) -> Iterator[Subject]:
    """Predictions and labels that belong together by name."""
    found = (
        [prediction]
        if prediction.is_file()
        else sorted(p for p in prediction.glob(pattern) if "confidence" not in p.name)
    )
    if not found:
        raise UsageError(
            prediction, "holds no class raster", "give a class raster, a folder of them, or a finished run"
        )
    labels = {} if reference.suffix.lower() in VECTORS else {stem_of(p): p for p in _label_files(reference)}
    for path in found:
        image = image_file(path, CODES)
        if reference.suffix.lower() in VECTORS:
            item = _with_polygons(path, image, reference, options, table)
        else:
            label = reference if prediction.is_file() and reference.is_file() else labels.get(stem_of(path))
            if label is None:
                raise UsageError(
                    path, f"has no label in {reference}", f"expected a name like {stem_of(path)}_label.tif"
                )
            item = _with_raster(path, image, label, options, table)
        yield Subject(item, _class_reader(path, table), _confidence_reader(path, image, confidence))


def _label_files(reference: Path) -> list[Path]:
    if reference.is_file():
        return [reference]
    if not reference.is_dir():
        raise UsageError(reference, "does not exist", "give a label raster, a folder of them, or a file of polygons")
    return sorted(p for p in reference.rglob("*") if p.suffix.lower() in (".tif", ".tiff", ".png"))


def _legend(label: Path, options: EvaluateOptions, table: ClassTable) -> Legend:
    if options.classes:
        codes = named_codes(dict(options.classes), table, "--class")
        return Legend("values", tuple({NODATA: NODATA, **{int(k): v for k, v in codes.items()}}.items()))
    if options.legend == "isprs" or (
        options.legend == "auto" and image_file(label, CODES).shape and _bands(label) >= 3
    ):
        return cube_legend(table)
    return table_legend(table)


def _bands(label: Path) -> int:
    from geoseg.sheets.door import read_header
    from geoseg.sheets.images import SUFFIXES, read_picture

    return (
        len(read_picture(label, "as is"))
        if label.suffix.lower() in SUFFIXES
        else read_header(label, palette=True).bands
    )


def _with_raster(path: Path, image: ImageFile, label: Path, options: EvaluateOptions, table: ClassTable) -> Item:
    eroded = 3 if options.boundary == "eroded" else 0
    labels = LabelFile("raster", str(label), _legend(label, options, table), eroded=eroded)
    truth = image_file(label, CODES)
    if truth.shape != image.shape:
        raise UsageError(
            label,
            f"is {truth.shape[1]} x {truth.shape[0]} px, {path.name} {image.shape[1]} x {image.shape[0]}",
            "they must match pixel by pixel; a run has one raster per sheet in out/sheets",
        )
    return Item(path.stem, image, labels, (0, 0, *image.shape))


def _with_polygons(path: Path, image: ImageFile, reference: Path, options: EvaluateOptions, table: ClassTable) -> Item:
    from geoseg.datasets.legend import code_of

    codes = named_codes(dict(options.classes), table, "--class")
    if not codes:
        raise UsageError(
            reference,
            "is polygons without a meaning",
            "say with --class '*=building' (and --rest 'not building') what they are",
        )
    rest = code_of(options.rest, table, "--rest") if options.rest else NODATA
    return Item(
        path.stem,
        image,
        LabelFile("polygons", str(reference), None, tuple(codes.items()), "", rest),
        (0, 0, *image.shape),
    )


def _class_reader(path: Path, table: ClassTable) -> ReadBytes:
    legend = table_legend(table)
    return lambda window: decode(raster_window(str(path), (1,), window)[0], legend, path)


def _confidence_reader(path: Path, image: ImageFile, mosaic: Path | None) -> ReadBytes | None:
    """The confidence beside a class raster, or the mosaic's where the sheet lies in it; None where there is neither."""
    beside = path.with_name(path.name.replace("_classes", "_confidence"))
    if mosaic is None:
        return (
            (lambda window: raster_window(str(beside), (1,), window)[0][0])
            if beside != path and beside.is_file()
            else None
        )
    whole = image_file(mosaic, CODES)
    if not image.transform or not whole.transform or image.transform[4] > 0:
        return None
    col, row = ~Affine(*whole.transform) @ (image.transform[2], image.transform[5])
    right, down = round(col), round(row)
    return lambda w: raster_window(str(mosaic), (1,), Window(w.col_off + right, w.row_off + down, w.width, w.height))[
        0
    ][0]
