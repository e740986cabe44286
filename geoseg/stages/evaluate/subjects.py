"""Predictions with their labels: class rasters by name, or a model over the items of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, ClassTable
from geoseg.datasets.folders import CODES, image_file, stem_of
from geoseg.datasets.items import ImageFile, Item, LabelFile, image_reader
from geoseg.datasets.legend import Legend, code_of, cube_legend, decode, named_codes, table_legend
from geoseg.errors import ModelError, UsageError
from geoseg.gis.vector_door import VECTORS
from geoseg.models.card import Card
from geoseg.models.load import Network
from geoseg.options import EvaluateOptions
from geoseg.predict.region import RegionPredictor, Take
from geoseg.sheets.raster import raster_window
from geoseg.stages.evaluate.counts import ReadBytes, Subject

__all__ = ["paired_subjects", "predicted_subjects"]


def predicted_subjects(
    items: Sequence[Item], network: Network, card: Card, options: EvaluateOptions, scratch: Path
) -> Iterator[Subject]:
    """Each item with its predictions, which lie in two files in `scratch`, so that no region is too large for memory.

    Raises:
        ModelError: an item gives another number of bands than the model takes.
    """
    with RegionPredictor(network, card, device=options.device, tta=options.tta) as predictor:
        for number, item in enumerate(items):
            if len(item.image.bands) != len(card.bands):
                raise ModelError(
                    card.name,
                    f"wants {len(card.bands)} bands, {item.name} gives {len(item.image.bands)}",
                    "set `bands` of the data set",
                )
            files = [scratch / f"{number}_{k}.bin" for k in "cp"]
            classes, confidence = (np.memmap(f, np.uint8, "w+", shape=item.region[2:]) for f in files)
            take = _writer(classes, confidence, item.region[0])
            predictor.predict(image_reader(item), item.window, item.image.gsd, take)
            yield Subject(item, _reader(classes, item), _reader(confidence, item))
            for file in files:
                file.unlink()


def _writer(classes: Bytes, confidence: Bytes, top: int) -> Take:
    """Writes the rows of a prediction into two arrays that begin at row `top`."""

    def take(window: Window, found: Bytes, sure: Bytes) -> None:
        first = int(window.row_off) - top
        classes[first : first + len(found)], confidence[first : first + len(found)] = found, sure

    return take


def _reader(array: Bytes, item: Item) -> ReadBytes:
    """Reads windows of the item's image out of an array that holds its region."""
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
    """Class rasters with the labels of the same name, or with one file of polygons.

    Args:
        prediction: a class raster, or a folder of them.
        reference: a label raster, a folder of them, or a vector file.
        options: how labels are coded.
        table: classes of the rasters.
        pattern: of the names of class rasters in the folder.
        confidence: mosaic of confidence, where there is none beside the class raster.

    Raises:
        UsageError: no class raster, a raster without labels, or sizes that differ.
    """
    if prediction.is_file():
        found = [prediction]
    else:
        found = sorted(p for p in prediction.glob(pattern) if "confidence" not in p.name)
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
    if options.legend == "isprs" or (options.legend == "auto" and _bands(label) >= 3):
        return cube_legend(table)
    return table_legend(table)


def _bands(label: Path) -> int:
    """The number of bands of a label raster."""
    from geoseg.sheets.door import read_header
    from geoseg.sheets.images import SUFFIXES, read_picture

    if label.suffix.lower() in SUFFIXES:
        return len(read_picture(label, "as is"))
    return read_header(label, palette=True).bands


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
    return Item.whole(path.stem, image, labels)


def _with_polygons(path: Path, image: ImageFile, reference: Path, options: EvaluateOptions, table: ClassTable) -> Item:
    codes = named_codes(dict(options.classes), table, "--class")
    if not codes:
        raise UsageError(
            reference,
            "holds polygons without a meaning",
            "say with --class '*=building' (and --rest 'not building') what they are",
        )
    rest = code_of(options.rest, table, "--rest") if options.rest else NODATA
    return Item.whole(path.stem, image, LabelFile("polygons", str(reference), None, tuple(codes.items()), "", rest))


def _class_reader(path: Path, table: ClassTable) -> ReadBytes:
    """Reads class indices out of a class raster."""
    legend = table_legend(table)
    return lambda window: decode(raster_window(str(path), (1,), window)[0], legend, path)


def _confidence_reader(path: Path, image: ImageFile, mosaic: Path | None) -> ReadBytes | None:
    """Reads the confidence beside a class raster, or the mosaic's where the sheet lies in it; None without."""
    if mosaic is None:
        beside = path.with_name(path.name.replace("_classes", "_confidence"))
        return _band_reader(beside) if beside != path and beside.is_file() else None
    whole = image_file(mosaic, CODES)
    if not image.transform or not whole.transform or image.transform[4] > 0:
        return None
    col, row = ~Affine(*whole.transform) @ (image.transform[2], image.transform[5])
    return _band_reader(mosaic, round(row), round(col))


def _band_reader(path: Path, row: int = 0, col: int = 0) -> ReadBytes:
    """Reads windows, which count from (row, col), of the only band of a raster."""
    return lambda w: raster_window(str(path), (1,), Window(w.col_off + col, w.row_off + row, w.width, w.height))[0][0]
