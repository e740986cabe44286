"""Options of `geoseg evaluate` and `geoseg changes`."""

from __future__ import annotations

from dataclasses import dataclass

from geoseg import parse
from geoseg.options.infer import TTA
from geoseg.options.option import SMALLEST, option

__all__ = ["BOUNDARIES", "ChangesOptions", "EvaluateOptions"]

BOUNDARIES = ("all", "noBoundary", "eroded")


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of `geoseg evaluate`: which pixels and objects count, and how labels are coded."""

    boundary: str | None = option(
        None,
        "Which pixels count; noBoundary takes labels of that name, and only says so of others [default: all].",
        choices=BOUNDARIES,
        group="What counts",
    )
    without: tuple[str, ...] = option(
        (), "Leave a class out of the means (repeat).", metavar="CLASS", many=True, group="What counts"
    )
    radius: tuple[float, ...] = option(
        (0.5, 1.0), "Metres for the boundary F1.", read=parse.numbers("--radius", float), group="What counts"
    )
    min_object: float = option(1.0, "Smallest object in square metres.", least=0, group="What counts")
    labels_pattern: str = option(
        "", "Which files in the folder are the labels: '*_label.tif'.", metavar="PATTERN", group="Labels"
    )
    legend: str = option(
        "auto",
        "How label rasters are coded; auto tells by their bands and colours.",
        choices=("auto", "values", "isprs", "colours"),
        group="Labels",
    )
    classes: tuple[tuple[str, str], ...] = option(
        (),
        "Meaning of a label value, colour or column value: '1=building', '#3c1098=building', '*=building' (repeat).",
        flags=("--class",),
        metavar="LABEL=CLASS",
        many=True,
        read=parse.label_classes,
        group="Labels",
    )
    rest: str = option("", "What no polygon and no --class covers: a class, 'not CLASS' or ignore.", group="Labels")
    split: str = option(
        "validation",
        "With a model: which split of the config's data.",
        choices=("train", "validation", "test"),
        group="With a model",
    )
    tta: str = option("none", "With a model: test-time augmentation.", choices=TTA, group="With a model")
    device: str = option("auto", "With a model: auto, cpu or cuda[:N].", metavar="DEVICE", group="With a model")


@dataclass(frozen=True)
class ChangesOptions:
    """Options of `geoseg changes`: what is too little to be a change."""

    tolerance: float | None = option(
        None,
        "Metres by which outlines of the same thing may differ, and narrower changes are slivers"
        " [default: 0.5, or two pixels where that is more].",
        metavar="METRES",
        least=0,
        group="What counts",
    )
    min_area: float | None = option(
        None,
        f"Smallest polygon of changed land cover in square metres [default: by class, {SMALLEST}].",
        least=0,
        group="What counts",
    )
