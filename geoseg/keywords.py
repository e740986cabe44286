"""Keywords of the Python functions, as type checkers want them.

Written by `python -m geoseg.request`; a test compares it with `geoseg.options`.
"""

from __future__ import annotations

from typing import TypedDict

from geoseg.parse import LabelClasses, Names, Nodata, Numbers, OnePath, Pair, Paths


class WorkKeywords(TypedDict, total=False):
    """Keywords out of `WorkOptions`."""

    workers: int
    scheduler: str
    shard: Pair | None


class TileKeywords(TypedDict, total=False):
    """Keywords out of `TileOptions`."""

    subfolders: bool
    allow: Names | None
    patch_size: int | None
    overlap: str | int | None
    model: Paths | None
    block_size: int | None
    bands: Numbers | None
    alpha: str | None
    nodata: Nodata | None
    nodata_everywhere: bool
    crs: str
    crs_override: bool
    gsd: float | None
    anchor: Numbers | None
    bbox: Numbers | None
    aoi: OnePath | None
    far: str | float | None
    strict: bool
    overwrite: bool
    retry_failed: bool
    read_timeout: float


class InferKeywords(WorkKeywords, total=False):
    """Keywords out of `InferOptions`."""

    model: Paths | None
    engine: str
    device: str
    precision: str
    batch_size: int | None
    tta: str
    probabilities: bool
    range: Numbers | None
    resample: bool
    threads: int | None
    readers: int | None
    max_ram: str | float | None
    model_timeout: float
    read_timeout: float


class MosaicKeywords(WorkKeywords, total=False):
    """Keywords out of `MosaicOptions`."""

    name: str
    min_area: float | None
    sheet_rasters: bool
    vectors: bool
    simplify: float
    smooth: float
    square: bool
    houses: bool
    all_cars: bool
    layers: Names | None
    vector_format: Names | None
    exact: bool
    review: int
    overwrite: bool
    read_timeout: float
    sector: int


class NightKeywords(TypedDict, total=False):
    """Keywords out of `NightOptions`."""

    date: str | None
    quarantine_ok: bool
    dry_run: bool
    metrics: OnePath | None
    log_json: bool
    publish: bool
    changes: bool
    keep: int
    keep_days: float
    success: tuple[str, ...]
    failure: tuple[str, ...]
    webhook: str


class EvaluateKeywords(TypedDict, total=False):
    """Keywords out of `EvaluateOptions`."""

    boundary: str | None
    without: tuple[str, ...]
    radius: Numbers | None
    min_object: float
    labels_pattern: str
    legend: str
    classes: LabelClasses | None
    rest: str
    split: str
    tta: str
    device: str


class ChangesKeywords(TypedDict, total=False):
    """Keywords out of `ChangesOptions`."""

    tolerance: float | None
    min_area: float | None


class RunKeywords(TileKeywords, InferKeywords, MosaicKeywords, NightKeywords, total=False):
    """Keywords of a whole night."""
