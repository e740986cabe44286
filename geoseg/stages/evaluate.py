"""geoseg evaluate: predictions against labels, with the protocol beside every score.

subjects (raster, run or model; labels) -> strips -> counts that add up -> scores, intervals, pictures
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.windows import Window

from geoseg.classes import ISPRS, NODATA, ClassTable
from geoseg.errors import ModelError, PlanError, UsageError
from geoseg.io.commit import read_json
from geoseg.io.model_file import Card, load_model
from geoseg.io.windows import raster_window
from geoseg.learn.datasets.folders import image_file, stem_of
from geoseg.learn.datasets.items import ImageFile, Item, LabelFile, read_item, read_labels
from geoseg.learn.datasets.legend import Legend, cube_legend, decoded, named_codes, table_legend
from geoseg.learn.datasets.sets import labelled_sets
from geoseg.learn.datasets.shapes import read_boxes
from geoseg.learn.metrics import (
    Reliability,
    Tally,
    bootstrap,
    boundary_counts,
    boundary_f1,
    reliability,
    scores_of,
    tally,
)
from geoseg.learn.objects import ObjectCounts, boxes_matched, matched
from geoseg.learn.settings import TrainConfig
from geoseg.predict.predictor import build_network, default_lanes
from geoseg.predict.region import predict_region, region_backend, region_lattice, snapped_ratio
from geoseg.vectorize.join import join
from geoseg.vectorize.trace import trace

__all__ = ["EvaluateOptions", "Evaluation", "evaluate_model", "evaluate_rasters", "evaluate_run"]

Bytes = npt.NDArray[np.uint8]
ReadBytes = Callable[[Window], Bytes]

STRIP = 1024
OBJECT_ROLES = ("building", "car")


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of `geoseg evaluate`.

    `boundary` is "all", "noBoundary" (only said of the labels given) or "eroded"; `left_out` names classes that the means leave out;
    `radii` are metres for the boundary F1; `min_object` square metres below which found and true objects do not count.
    """

    boundary: str = "all"
    left_out: tuple[str, ...] = ()
    radii: tuple[float, ...] = (0.5, 1.0)
    min_object: float = 1.0
    tta: str = "none"
    device: str = "auto"
    split: str = "validation"
    legend: str = "auto"
    classes: tuple[tuple[str, str], ...] = ()
    rest: str = ""


@dataclass(frozen=True)
class Subject:
    """One sheet's prediction and its labels; windows are those of the item's region."""

    item: Item
    classes: ReadBytes
    confidence: ReadBytes | None


@dataclass(frozen=True)
class SheetCounts:
    """All that is counted of one sheet; adds up."""

    tally: Tally
    reliability: Reliability
    borders: npt.NDArray[np.int64]
    objects: dict[str, ObjectCounts] = field(default_factory=dict)

    def __add__(self, other: SheetCounts) -> SheetCounts:
        names = {**self.objects, **other.objects}
        objects = {n: self.objects.get(n, ObjectCounts()) + other.objects.get(n, ObjectCounts()) for n in names}
        return SheetCounts(
            self.tally + other.tally, self.reliability + other.reliability, self.borders + other.borders, objects
        )


@dataclass(frozen=True)
class Evaluation:
    """Counts per sheet, the scores of all, and what the pictures show."""

    table: ClassTable
    sheets: dict[str, SheetCounts]
    report: dict[str, Any]
    error_maps: dict[str, tuple[Bytes, Bytes]]


def evaluate_rasters(
    prediction: Path, reference: Path, options: EvaluateOptions, table: ClassTable = ISPRS
) -> Evaluation:
    """A class raster (or folder of them) against label rasters, or one file of polygons.

    Raises:
        UsageError: no pair by name, or rasters that do not lie on each other. SheetError: values that the legend lacks.
    """
    pairs = _pairs(prediction, reference, options, table)
    protocol = {"prediction": str(prediction), "labels": str(reference)}
    return _evaluated(pairs, table, options, protocol)


def evaluate_run(run: Path, labels: Path, options: EvaluateOptions) -> Evaluation:
    """The class rasters per sheet of a finished run against labels of the same names.

    Raises:
        PlanError: the run is not finished, or was made without per-sheet rasters.
    """
    facts = read_json(run / "run.json")
    table = ClassTable.from_json(facts["classes"])
    sheets = run / "out" / "sheets"
    if not any(sheets.glob("*_classes.tif")):
        raise PlanError(run, "has no rasters per sheet", "run geoseg mosaic without --no-sheets")
    lattice, engine = facts["lattice"], facts["engine"]
    protocol = {
        "prediction": str(run),
        "labels": str(labels),
        "model": ", ".join(m["name"] for m in facts["models"]),
        "patch_px": lattice["patch"],
        "overlap_px": lattice["overlap"],
        "tta": engine["tta"],
        "precision": engine["precision"],
    }
    return _evaluated(_pairs(sheets, labels, options, table, "*_classes.tif"), table, options, protocol)


def evaluate_model(model: Path, config: TrainConfig, options: EvaluateOptions, cache: Path | None = None) -> Evaluation:
    """A model over one split of a config's data sets, each region with production's patches and blending.

    Raises:
        UsageError: the split is empty. ModelError: the model has other classes or bands than the data.
    """
    found = load_model(model)
    card = found.card
    sets = labelled_sets(config.data, card.classes, len(card.bands), cache)[options.split]
    if not sets:
        raise UsageError(options.split, "holds no data set of this config", "pick another --split")
    protocol = {
        "model": card.name,
        "model_sha256": found.sha256,
        "data": {s.name: [i.name for i in s.items][:50] for s in sets},
        "split": options.split,
        "patch_px": card.patch,
        "overlap_px": card.overlap,
        "gsd_m": card.gsd,
        "tta": options.tta,
    }
    network = build_network(found)
    with tempfile.TemporaryDirectory(prefix="geoseg_") as scratch:
        subjects = _predicted([i for s in sets for i in s.items], network, card, options, Path(scratch))
        return _evaluated(subjects, card.classes, options, protocol)


def _predicted(
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


VECTORS = (".gpkg", ".geojson", ".json", ".shp", ".fgb")


def _pairs(
    prediction: Path, reference: Path, options: EvaluateOptions, table: ClassTable, pattern: str = "*.tif"
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
        image = image_file(path, (1,), gsd=1.0)
        if reference.suffix.lower() in VECTORS:
            item = _with_polygons(path, image, reference, options, table)
        else:
            label = reference if prediction.is_file() and reference.is_file() else labels.get(stem_of(path))
            if label is None:
                raise UsageError(
                    path, f"has no label in {reference}", f"expected a name like {stem_of(path)}_label.tif"
                )
            item = _with_raster(path, image, label, options, table)
        yield Subject(item, _class_reader(path, table), _confidence_reader(path))


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
        options.legend == "auto" and image_file(label, (1,), gsd=1.0).shape and _bands(label) >= 3
    ):
        return cube_legend(table)
    return table_legend(table)


def _bands(label: Path) -> int:
    from geoseg.io.pictures import SUFFIXES, read_picture
    from geoseg.io.sheets import read_header

    return len(read_picture(label, "as is")) if label.suffix.lower() in SUFFIXES else read_header(label).bands


def _with_raster(path: Path, image: ImageFile, label: Path, options: EvaluateOptions, table: ClassTable) -> Item:
    eroded = 3 if options.boundary == "eroded" else 0
    labels = LabelFile("raster", str(label), _legend(label, options, table), eroded=eroded)
    truth = image_file(label, (1,), gsd=1.0)
    if truth.shape != image.shape:
        raise UsageError(
            label,
            f"is {truth.shape[1]} x {truth.shape[0]} px, {path.name} {image.shape[1]} x {image.shape[0]}",
            "they must match pixel by pixel; a run has one raster per sheet in out/sheets",
        )
    return Item(path.stem, image, labels, (0, 0, *image.shape))


def _with_polygons(path: Path, image: ImageFile, reference: Path, options: EvaluateOptions, table: ClassTable) -> Item:
    from geoseg.learn.datasets.legend import code_of

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
    return lambda window: decoded(raster_window(str(path), (1,), window)[0], legend, path)


def _confidence_reader(path: Path) -> ReadBytes | None:
    beside = path.with_name(path.name.replace("_classes", "_confidence"))
    return (
        (lambda window: raster_window(str(beside), (1,), window)[0][0]) if beside != path and beside.is_file() else None
    )


def _evaluated(
    subjects: Iterator[Subject], table: ClassTable, options: EvaluateOptions, protocol: dict[str, Any]
) -> Evaluation:
    sheets: dict[str, SheetCounts] = {}
    maps: dict[str, tuple[Bytes, Bytes]] = {}
    for subject in subjects:
        sheets[subject.item.name], maps[subject.item.name] = _counted(subject, table, options)
    if not sheets:
        raise UsageError("evaluate", "found nothing to score", "check both paths")
    return Evaluation(table, sheets, _report(table, sheets, options, protocol), maps)


def _strips(region: tuple[int, int, int, int]) -> Iterator[Window]:
    row, col, height, width = region
    for top in range(row, row + height, STRIP):
        yield Window(col, top, width, min(STRIP, row + height - top))


def _counted(subject: Subject, table: ClassTable, options: EvaluateOptions) -> tuple[SheetCounts, tuple[Bytes, Bytes]]:
    """Counts of one sheet by strips of rows, each with a halo for distances to borders."""
    item, count = subject.item, len(table)
    total, sure = Tally.zero(count), Reliability.zero()
    borders = np.zeros((len(options.radii), 4), np.int64)
    halo = int(max(options.radii, default=0) / item.image.gsd) + 2
    step = max(1, max(item.region[2:]) // 1500)
    thumbs: list[tuple[Bytes, Bytes]] = []
    for strip in _strips(item.region):
        wide, inner = _with_halo(strip, item.region, halo)
        labels, found = read_labels(item, wide), subject.classes(wide)
        total = total + tally(labels[inner], found[inner], count)
        if subject.confidence is not None:
            sure = sure + reliability(labels[inner], found[inner], subject.confidence(strip), count)
        for k, radius in enumerate(options.radii):
            borders[k] += boundary_counts(labels, found, radius / item.image.gsd, inner)
        first = -(int(strip.row_off) - item.region[0]) % step
        thumbs.append((labels[inner][first::step, ::step], found[inner][first::step, ::step]))
    objects = _objects(subject, table, options)
    thumb = np.concatenate([t[0] for t in thumbs]), np.concatenate([t[1] for t in thumbs])
    return SheetCounts(total, sure, borders, objects), thumb


def _with_halo(strip: Window, region: tuple[int, int, int, int], halo: int) -> tuple[Window, tuple[slice, slice]]:
    top = max(region[0], int(strip.row_off) - halo)
    bottom = min(region[0] + region[2], int(strip.row_off + strip.height) + halo)
    first = int(strip.row_off) - top
    return Window(strip.col_off, top, strip.width, bottom - top), (slice(first, first + int(strip.height)), slice(None))


def _objects(subject: Subject, table: ClassTable, options: EvaluateOptions) -> dict[str, ObjectCounts]:
    """Buildings and cars by object, where the labels name any."""
    item, counts = subject.item, {}
    for index, c in enumerate(table.classes):
        if c.role not in OBJECT_ROLES:
            continue
        found = _shapes(item, lambda w, k=index: (subject.classes(w) == k) & (read_labels(item, w) != NODATA), options)  # type: ignore[misc]
        if item.labels.kind == "boxes":
            boxes = _boxes(item, index)
            if len(boxes):
                all_found = _shapes(item, lambda w, k=index: subject.classes(w) == k, options)  # type: ignore[misc]
                counts[c.name] = boxes_matched(boxes, all_found)
            continue
        truth = _shapes(item, lambda w, k=index: read_labels(item, w) == k, options)  # type: ignore[misc]
        if len(truth):
            counts[c.name] = matched(truth, found)[0]
    return counts


def _boxes(item: Item, index: int) -> npt.NDArray[np.object_]:
    high, wide = item.image.shape
    meaning = dict(item.labels.codes)
    rows = [r for r in read_boxes(item.labels.path) if meaning.get(r[0], meaning.get("*", NODATA)) == index]
    return np.array(
        [
            shapely.box((x - w / 2) * wide, (y - h / 2) * high, (x + w / 2) * wide, (y + h / 2) * high)
            for _, x, y, w, h in rows
        ],
        object,
    )


def _shapes(
    item: Item, mask: Callable[[Window], npt.NDArray[np.bool_]], options: EvaluateOptions
) -> npt.NDArray[np.object_]:
    """Connected regions of a mask, in pixel corners of the region, traced block by block and joined."""
    row, col, height, width = item.region

    def traced() -> Iterator[Any]:
        for top in range(0, height, 2048):
            for left in range(0, width, 2048):
                window = Window(col + left, row + top, min(2048, width - left), min(2048, height - top))
                inside = mask(window).astype(np.uint8)
                if inside.any():
                    full = np.zeros((2048, 2048), np.uint8)
                    full[: inside.shape[0], : inside.shape[1]] = inside
                    yield (top // 2048, left // 2048), trace(full, skip=0)

    regions = join(traced(), 2048)
    large = regions.pixels * item.image.gsd**2 >= options.min_object
    shapes = regions.polygons[large]
    return np.asarray(shapely.transform(shapes, lambda xy: np.add(xy, (col, row))), object) if len(shapes) else shapes


def _report(
    table: ClassTable, sheets: dict[str, SheetCounts], options: EvaluateOptions, protocol: dict[str, Any]
) -> dict[str, Any]:
    """Everything as plain data: protocol first."""
    names = [c.name for c in table.classes]
    odd = [n for n in options.left_out if n not in names]
    if odd:
        raise UsageError("--without", f"names {', '.join(odd)}", f"classes: {', '.join(names)}")
    left_out = [names.index(n) for n in options.left_out]
    total = sum(list(sheets.values())[1:], start=next(iter(sheets.values())))
    scores = scores_of(total.tally, left_out)
    averaged = [names[k] for k in scores.pop("averaged")]
    rules = {
        "all": "all pixels",
        "noBoundary": "labels without boundaries, as given",
        "eroded": "3 px around class borders left out",
    }
    tallies = [s.tally for s in sheets.values()]
    report: dict[str, Any] = {
        "protocol": {
            **protocol,
            "averaged_classes": averaged,
            "left_out_of_means": list(options.left_out),
            "boundary_rule": rules[options.boundary],
            "sheets": len(sheets),
            "interval": "95 % percentile bootstrap over sheets, 1000 draws",
            "objects": f"4-connected regions of at least {options.min_object:g} m2; IoU >= 0.5, or centre in box where truth is boxes",
        },
        **{k: scores[k] for k in ("mean_iou", "mean_f1", "overall_accuracy", "kappa", "pixels")},
        "intervals": {k: bootstrap(tallies, k, left_out=left_out) for k in ("mean_iou", "mean_f1", "overall_accuracy")},
        "classes": {n: {k: scores[k][i] for k in ("precision", "recall", "f1", "iou")} for i, n in enumerate(names)},
        "boundary_f1": {f"{r:g} m": _number(boundary_f1(total.borders[k])) for k, r in enumerate(options.radii)},
        "objects": {n: c.scores() for n, c in total.objects.items()},
        "confusion": {
            "classes": names,
            "rows_are_truth": total.tally.confusion.tolist(),
            "denied": total.tally.denied.tolist(),
        },
        "per_sheet": {n: _number(scores_of(s.tally, left_out)["mean_iou"]) for n, s in sheets.items()},
    }
    if total.reliability.seen.sum():
        report["calibration"] = {"expected_error": total.reliability.error(), "table": total.reliability.table()}
    cleaned: dict[str, Any] = json.loads(json.dumps(report), parse_constant=lambda _: None)
    return cleaned


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
