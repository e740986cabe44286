"""The options of every command, each in one place: type, default, help, unit, choices, and whether it changes results.

The command line, the schema of configs, the keys that tell stale results, the keywords of the Python functions and the
page of options in the docs all come from these values. A field's metadata holds its `Option`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from geoseg import parse
from geoseg.errors import UsageError
from geoseg.layers import GROUPS, ROLES

__all__ = [
    "ChangesOptions",
    "EvaluateOptions",
    "InferOptions",
    "MosaicOptions",
    "NightOptions",
    "Option",
    "RunOptions",
    "TileOptions",
    "WorkOptions",
    "known",
    "result_values",
]

ENGINES = ("auto", "torch", "openvino", "onnxruntime")
PRECISIONS = ("auto", "f32", "bf16")
TTA = ("none", "flip", "d4")
BOUNDARIES = ("all", "noBoundary", "eroded")
VECTOR_FORMATS = ("fgb", "geojson", "parquet", "pmtiles", "postgis")
MODEL_TIMEOUT = 180.0
"""Seconds that a network which another program wrote may take for its first patch."""
READ_TIMEOUT = 25.0
"""Seconds without a sign of life (16 MB of pixels, or a header) after which a decoder is ended."""


@dataclass(frozen=True)
class Option:
    """What is known of one option besides its name, type and default.

    `flags`: on the command line, where they are not `--name`; none at all for what only a config or Python can say;
    `key`: in a config, where it is not the name, "" for not there; `read`: turns what users write into a value;
    `many`: on the command line it is given once for each of its values;
    `least` and `most` bound numbers, `above` leaves the lower bound itself out; `results`: whether it changes the
    results.
    """

    help: str
    flags: tuple[str, ...] | None = None
    key: str | None = None
    metavar: str = ""
    many: bool = False
    read: Callable[[Any], Any] | None = None
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    above: bool = False
    results: bool = True


def option(default: Any, text: str, **facts: Any) -> Any:
    """A field of one of the option values below."""
    return field(default=default, metadata={"option": Option(text, **facts)})


def _seconds(default: float, text: str, **facts: Any) -> Any:
    """How long something may take."""
    return option(default, text, metavar="SECONDS", results=False, least=0, most=86_400, above=True, **facts)


def _read_timeout(**facts: Any) -> Any:
    """How long a sheet may take; all three stages read sheets."""
    return _seconds(
        READ_TIMEOUT, "A sheet that takes longer than this for 16 MB of pixels, twice, is quarantined.", **facts
    )


@dataclass(frozen=True)
class TileOptions:
    """Options of `geoseg tile`: the grid, the patches, and which sheets and bands are used."""

    subfolders: bool = option(True, "Look for sheets in the subfolders of folders, too.")
    allow: tuple[str, ...] = option(
        (),
        "Also read vrt: virtual rasters that name files in their own folder, or in a folder among the SHEETS; remote:"
        " sheets at https://, s3://, gs:// or az:// addresses.",
        metavar="KIND[,KIND]",
        read=parse.names("--allow", ("vrt", "remote")),
        key="",
    )
    patch_size: int | None = option(None, "Patch side in pixels of the sheets [default: the network's].", least=1)
    overlap: str | None = option(
        None, "Overlap of patches, in pixels or per cent (128, 25%) [default: the network's].", read=parse.overlap
    )
    block_size: int | None = option(None, "Side of an output block in pixels [default: 4096].", least=16)
    bands: tuple[int, ...] = option(
        (), "Bands to use, counted from 1, in the network's order: 1,2,3.", read=parse.numbers("--bands", int)
    )
    alpha: str | None = option(
        None,
        "Whether an alpha band says where data are, or holds data; auto looks at a sample [default: auto].",
        choices=("auto", "mask", "none"),
    )
    nodata: tuple[tuple[float, float], ...] | None = option(
        None,
        "Values that mean no data, in all bands, in areas that reach the sheet's edge or are large: 255~12; none"
        " [default: as a sample of each sheet shows].",
        metavar="VALUE[~TOLERANCE][,VALUE..]",
        read=parse.nodata,
    )
    nodata_everywhere: bool = option(False, "The values of --nodata mean no data wherever they are.")
    crs: str = option("", "CRS of the grid, and of sheets that have none: EPSG:25833.")
    crs_override: bool = option(False, "--crs is the CRS of all sheets, whatever they say.")
    gsd: float | None = option(
        None, "Pixel size of the grid in metres on the ground [default: the majority's].", least=0, above=True
    )
    anchor: tuple[float, float] | None = option(
        None,
        "Where the grid begins: x,y in its CRS, moved to a pixel's corner [default: upper left of the first sheets].",
        read=parse.numbers("--anchor", float, 2),
    )
    bbox: tuple[float, float, float, float] | None = option(
        None, "Only this area: left,bottom,right,top in the grid's CRS.", read=parse.numbers("--bbox", float, 4)
    )
    aoi: Path | None = option(None, "Only the polygons of this vector file.", metavar="FILE", read=parse.path)
    far: float | None = option(
        None,
        "Set sheets aside that lie further than this from the one in the middle: 100km.",
        metavar="DISTANCE",
        read=parse.distance,
    )
    strict: bool = option(False, "Fail on the first sheet that cannot be used.")
    overwrite: bool = option(False, "Forget an earlier plan of this run folder.", key="")
    retry_failed: bool = option(False, "Try sheets again whose pixels could not be read, also unchanged ones.", key="")
    read_timeout: float = _read_timeout(key="")


@dataclass(frozen=True)
class InferOptions:
    """Options of `geoseg infer`: the network, and how it is run."""

    model: tuple[Path, ...] = option(
        (),
        "Model file, or shipped-0.1; several make an ensemble [default: the shipped network].",
        flags=("-m", "--model"),
        metavar="FILE",
        many=True,
        read=parse.models,
    )
    engine: str = option("auto", "What computes the network.", choices=ENGINES)
    device: str = option("auto", "auto, cpu or cuda[:N].")
    precision: str = option("auto", "Number format of the network's arithmetic.", choices=PRECISIONS)
    batch_size: int | None = option(
        None, "Patches per call [default: 1 on a CPU, where more hurt; 16 on a GPU].", least=1
    )
    tta: str = option("none", "Test-time augmentation.", choices=TTA)
    probabilities: bool = option(False, "Also keep every class's share, in per cent.")
    range: tuple[float, float] | None = option(
        None,
        "Sheet values that stand for the network's darkest and brightest.",
        metavar="LOW,HIGH",
        read=parse.numbers("--range", float, 2),
    )
    resample: bool = option(False, "Accept sheets far outside the network's GSD range.")
    threads: int | None = option(
        None, "Patches computed side by side on a CPU [default: all cores].", least=1, results=False
    )
    readers: int | None = option(
        None,
        "Processes that decode sheets side by side [default: one for every four cores, at most 8].",
        least=1,
        results=False,
    )
    max_ram: int | None = option(None, "Memory to stay under: 2G.", metavar="SIZE", read=parse.size, results=False)
    model_timeout: float = _seconds(
        MODEL_TIMEOUT, "A TorchScript, torch.export or ONNX network that takes longer for its first patch is refused."
    )
    read_timeout: float = _read_timeout()


_SMALLEST = f"{min(r.min_area for r in ROLES.values()):g} to {max(r.min_area for r in ROLES.values()):g}"


@dataclass(frozen=True)
class MosaicOptions:
    """Options of `geoseg mosaic`: which rasters, layers and formats are written, and how outlines are drawn."""

    name: str = option("", "Start of the output names [default: the run folder's name].")
    min_area: float | None = option(
        None, f"Smallest polygon in square metres [default: by class, {_SMALLEST}].", least=0
    )
    sheet_rasters: bool = option(
        True, "One class raster for each sheet.", flags=("--sheets/--no-sheets",), key="sheets"
    )
    vectors: bool = option(True, "Land cover, buildings, roads, trees and cars as polygons and lines.")
    simplify: float = option(0.3, "Metres that outlines of the land cover may move.", least=0)
    smooth: float = option(
        0.0,
        "Metres by which class shares are blurred before the vectors are made; needs infer --probabilities.",
        least=0,
    )
    square: bool = option(True, "Right angles for buildings.")
    all_cars: bool = option(
        False, "Keep doubtful cars, too: confidence below 50 %, or with roofs around; the column doubtful marks them."
    )
    layers: tuple[str, ...] = option(
        GROUPS,
        f"Only these layers: {', '.join(GROUPS)} [default: all].",
        metavar="A,B",
        read=parse.names("--layers", GROUPS, GROUPS),
    )
    vector_format: tuple[str, ...] = option(
        (),
        f"Also these formats, one file for each layer: {', '.join(VECTOR_FORMATS[:-1])}; postgis: the database that"
        " PGHOST and the like name in the environment.",
        metavar="A,B",
        read=parse.names("--vector-format", VECTOR_FORMATS),
    )
    exact: bool = option(False, "Also every class's exact pixel outlines, in NAME_exact.gpkg.")
    review: int = option(
        0,
        "Also a table review: the places that are most worth a look, so many at most, and 100 random ones; 0: none.",
        metavar="N",
        least=0,
        most=100_000,
    )
    overwrite: bool = option(False, "Write everything again.", key="", results=False)
    read_timeout: float = _read_timeout(key="")
    sector: int = option(
        0, "Pixels along a sector, where large regions are cut; 0 for 8192.", flags=(), key="", least=0
    )

    def __post_init__(self) -> None:
        if self.name:
            parse.file_name(self.name)


@dataclass(frozen=True)
class WorkOptions:
    """Who computes: this process, a local Dask cluster, a scheduler of yours, or one shard of several."""

    workers: int = option(0, "Processes of a local Dask cluster [default: none].", least=0, results=False)
    scheduler: str = option(
        "", "A Dask scheduler of yours: tcp://HOST:8786, tls://HOST:8786.", metavar="ADDR", results=False
    )
    shard: tuple[int, int] | None = option(
        None,
        "Only this share of the blocks: 1/4, or auto in a job array (Slurm, AWS Batch; auto/N in Kubernetes).",
        metavar="I/N",
        key="",
        read=parse.shard,
        results=False,
    )

    def __post_init__(self) -> None:
        if self.shard and (self.workers or self.scheduler):
            what = "together with --workers or --scheduler"
            raise UsageError("--shard", what, "choose one way to share the work out")
        if self.workers and self.scheduler:
            raise UsageError("--workers", "together with --scheduler", "the scheduler has workers of its own")


@dataclass(frozen=True)
class NightOptions:
    """A night as a whole: whether it is published, what stays of earlier ones, and who is told how it ended."""

    date: str = option(
        "",
        "Keep the outputs as out/DATE and switch out/latest to them: 2026-11-21 or today.",
        metavar="DATE",
        key="",
        read=parse.day,
    )
    quarantine_ok: bool = option(
        False, "Exit code 0 instead of 3 where sheets were quarantined.", key="", results=False
    )
    dry_run: bool = option(False, "Only say what is new, changed or stale, and its cost.", key="", results=False)
    metrics: Path | None = option(
        None, "Write a Prometheus textfile at the end.", metavar="FILE", read=parse.path, results=False
    )
    log_json: bool = option(False, "Log lines as JSON, also what each stage did.", key="", results=False)
    publish: bool = option(False, "Publish each night under its date, as --date today.", flags=(), results=False)
    changes: bool = option(
        False, "Say what changed since the night before, in changes.gpkg, the report, metrics and hooks."
    )
    keep: int = option(14, "Published nights that stay whatever their age.", flags=(), least=1, results=False)
    keep_days: float = option(14, "Published nights younger than this stay too.", flags=(), least=0, results=False)
    success: tuple[str, ...] = option((), "Command that is told of a good end.", flags=(), key="", results=False)
    failure: tuple[str, ...] = option((), "Command that is told of a bad end.", flags=(), key="", results=False)
    webhook: str = option("", "Address that is told how it ended.", flags=(), key="", results=False)


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of `geoseg evaluate`: which pixels and objects count, and how labels are coded."""

    boundary: str | None = option(
        None,
        "Which pixels count; noBoundary takes labels of that name, and only says so of others [default: all].",
        choices=BOUNDARIES,
    )
    without: tuple[str, ...] = option((), "Leave a class out of the means (repeat).", metavar="CLASS", many=True)
    radius: tuple[float, ...] = option((0.5, 1.0), "Metres for the boundary F1.", read=parse.numbers("--radius", float))
    min_object: float = option(1.0, "Smallest object in square metres.", least=0)
    labels_pattern: str = option("", "Which files in the folder are the labels: '*_label.tif'.", metavar="PATTERN")
    legend: str = option(
        "auto",
        "How label rasters are coded; auto tells by their bands and colours.",
        choices=("auto", "values", "isprs", "colours"),
    )
    classes: tuple[tuple[str, str], ...] = option(
        (),
        "Meaning of a label value, colour or column value: '1=building', '#3c1098=building', '*=building' (repeat).",
        flags=("--class",),
        metavar="LABEL=CLASS",
        many=True,
        read=parse.label_classes,
    )
    rest: str = option("", "What no polygon and no --class covers: a class, 'not CLASS' or ignore.")
    split: str = option(
        "validation", "With a model: which split of the config's data.", choices=("train", "validation", "test")
    )
    tta: str = option("none", "With a model: test-time augmentation.", choices=TTA)
    device: str = option("auto", "With a model: auto, cpu or cuda[:N].")


@dataclass(frozen=True)
class ChangesOptions:
    """Options of `geoseg changes`: what is too little to be a change."""

    tolerance: float | None = option(
        None,
        "Metres by which outlines of the same thing may differ, and narrower changes are slivers"
        " [default: 0.5, or two pixels where that is more].",
        metavar="METRES",
        least=0,
    )
    min_area: float | None = option(
        None, f"Smallest polygon of changed land cover in square metres [default: by class, {_SMALLEST}].", least=0
    )


@dataclass(frozen=True)
class RunOptions:
    """The options of a whole night, by stage."""

    tile: TileOptions = field(default_factory=TileOptions)
    infer: InferOptions = field(default_factory=InferOptions)
    mosaic: MosaicOptions = field(default_factory=MosaicOptions)
    work: WorkOptions = field(default_factory=WorkOptions)
    night: NightOptions = field(default_factory=NightOptions)


STAGES: dict[str, type] = {
    "tile": TileOptions,
    "infer": InferOptions,
    "mosaic": MosaicOptions,
    "work": WorkOptions,
    "night": NightOptions,
}
"""Options of each part of a night."""


def known(kind: type) -> dict[str, Option]:
    """The options of a value above, by name."""
    return {f.name: f.metadata["option"] for f in fields(kind)}


def result_values(options: Any) -> dict[str, Any]:
    """What decides results, by name: whatever goes into a key."""
    return {name: getattr(options, name) for name, one in known(type(options)).items() if one.results}
