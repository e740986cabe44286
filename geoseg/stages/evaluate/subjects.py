"""Predictions with their labels: class rasters by name, or a model over the items of a data set."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, ClassTable
from geoseg.datasets.folders import CODES, image_file, label_file
from geoseg.datasets.items import ImageFile, Item, LabelFile, image_reader
from geoseg.datasets.label_raster import open_labels, read_codes
from geoseg.datasets.lay import Ground, meets
from geoseg.datasets.legend import (
    Legend,
    code_of,
    colour_legend,
    cube_legend,
    legend_of_classes,
    named_codes,
    table_legend,
)
from geoseg.datasets.pairs import pair_labels
from geoseg.errors import ModelError, UsageError
from geoseg.gis.vector_door import VECTORS
from geoseg.models.card import Card
from geoseg.models.load import Network
from geoseg.options import EvaluateOptions
from geoseg.predict.region import RegionPredictor, Take
from geoseg.sheets.raster import raster_window
from geoseg.stages.evaluate.counts import ReadBytes, Subject

__all__ = ["PredictedRun", "paired_subjects", "predicted_subjects"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PredictedRun:
    """What a run knows of its class rasters: the pattern of their names, its photos, its mosaics of confidence."""

    pattern: str = "*.tif"
    photos: tuple[Path, ...] = ()
    confidence: tuple[Path, ...] = ()


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
    run: PredictedRun | None = None,
) -> Iterator[Subject]:
    """Class rasters with the labels of the same name, with one label raster of the whole area, or with polygons.

    Args:
        prediction: a class raster, or a folder of them.
        reference: a label raster, a folder of them, or a vector file.
        options: how labels are coded.
        table: classes of the rasters.
        run: what a run knows of its rasters; None for those of other programs.

    Raises:
        UsageError: no class raster, or a raster without labels, or with several.
        SheetError: labels that do not lie where the rasters lie.
    """
    run = run or PredictedRun()
    if prediction.is_file():
        found = [prediction]
    else:
        found = sorted(p for p in prediction.glob(run.pattern) if "confidence" not in p.name)
    if not found:
        raise UsageError(
            prediction, "holds no class raster", "give a class raster, a folder of them, or a finished run"
        )
    items: Iterator[tuple[Path, Item]]
    if reference.suffix.lower() in VECTORS:
        items = (_with_polygons(p, image_file(p, CODES), reference, options, table) for p in found)
    elif reference.is_file():
        items = _with_one_raster(found, reference, options, table)
    else:
        labels = pair_labels(
            found, _label_files(reference, options), reference, photos=run.photos, boundary=options.boundary
        )
        items = (_with_raster(p, image_file(p, CODES), labels[p], options, table) for p in found)
    for path, item in items:
        yield Subject(item, _class_reader(path, table), _confidence_reader(path, item.image, run.confidence))


def _label_files(reference: Path, options: EvaluateOptions) -> list[Path]:
    """The files in a folder that may be labels."""
    if not reference.is_dir():
        raise UsageError(reference, "does not exist", "give a label raster, a folder of them, or a file of polygons")
    found = reference.glob(options.labels_pattern) if options.labels_pattern else reference.rglob("*")
    files = sorted(p for p in found if p.suffix.lower() in (".tif", ".tiff", ".png"))
    if not files:
        what = f"holds no label raster{f' like {options.labels_pattern}' if options.labels_pattern else ''}"
        raise UsageError(reference, what, "give .tif or .png files")
    return files


def _legend(options: EvaluateOptions, table: ClassTable) -> Legend | ClassTable:
    """The legend that the options give; the class table where each label raster tells its own."""
    if options.classes:
        rest = code_of(options.rest, table, "--rest") if options.rest else -1
        return legend_of_classes(dict(options.classes), table, "--class", rest)
    legends = {"isprs": cube_legend, "values": table_legend, "colours": colour_legend}
    return legends[options.legend](table) if options.legend in legends else table


def _with_raster(
    path: Path, image: ImageFile, label: Path, options: EvaluateOptions, table: ClassTable
) -> tuple[Path, Item]:
    eroded = 3 if options.boundary == "eroded" else 0
    return path, Item.whole(path.stem, image, label_file(label, _legend(options, table), image, eroded))


def _with_one_raster(
    found: list[Path], label: Path, options: EvaluateOptions, table: ClassTable
) -> Iterator[tuple[Path, Item]]:
    """Every class raster that one label raster meets, where there are several."""
    images = {path: image_file(path, CODES) for path in found}
    opened = open_labels(label)
    reached = [path for path in found if meets(opened.ground, images[path].ground)] or found[:1]
    if len(reached) < len(found):
        missed = len(found) - len(reached)
        log.warning("%s does not reach %d of %d class rasters; they are not scored", label, missed, len(found))
    for path in reached:
        yield _with_raster(path, images[path], label, options, table)


def _with_polygons(
    path: Path, image: ImageFile, reference: Path, options: EvaluateOptions, table: ClassTable
) -> tuple[Path, Item]:
    codes = named_codes(dict(options.classes), table, "--class")
    if not codes:
        raise UsageError(
            reference,
            "holds polygons without a meaning",
            "say with --class '*=building' (and --rest 'not building') what they are",
        )
    rest = code_of(options.rest, table, "--rest") if options.rest else NODATA
    labels = LabelFile("polygons", str(reference), None, tuple(codes.items()), "", rest)
    return path, Item.whole(path.stem, image, labels)


def _class_reader(path: Path, table: ClassTable) -> ReadBytes:
    """Reads class indices out of a class raster."""
    legend, opened = table_legend(table), open_labels(path)
    return lambda window: read_codes(opened, legend, Ground(opened.ground.shape), window)


def _confidence_reader(path: Path, image: ImageFile, mosaics: Sequence[Path]) -> ReadBytes | None:
    """Reads the confidence beside a class raster, or that of the mosaic in which the sheet lies; None without."""
    if not mosaics:
        beside = path.with_name(path.name.replace("_classes", "_confidence"))
        return _band_reader(beside) if beside != path and beside.is_file() else None
    if not image.transform or image.transform[4] > 0:
        return None
    for mosaic in mosaics:
        whole = image_file(mosaic, CODES)
        col, row = (round(n) for n in ~Affine(*whole.transform) @ (image.transform[2], image.transform[5]))
        if 0 <= row <= whole.shape[0] - image.shape[0] and 0 <= col <= whole.shape[1] - image.shape[1]:
            return _band_reader(mosaic, row, col)
    return None


def _band_reader(path: Path, row: int = 0, col: int = 0) -> ReadBytes:
    """Reads windows, which count from (row, col), of the only band of a raster."""
    return lambda w: raster_window(str(path), (1,), Window(w.col_off + col, w.row_off + row, w.width, w.height))[0][0]
