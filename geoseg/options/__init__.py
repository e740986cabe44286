"""The options of every command, each in one place: type, default, help, unit, choices, and whether it changes results.

The command line, the schema of configs, the keys that tell stale results, the keywords of the Python functions and the
page of options in the docs all come from these values. A field's metadata holds its `Option`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from geoseg.options.compare import BOUNDARIES, ChangesOptions, EvaluateOptions
from geoseg.options.infer import ENGINES, MODEL_TIMEOUT, PRECISIONS, TTA, InferOptions
from geoseg.options.mosaic import VECTOR_FORMATS, MosaicOptions
from geoseg.options.night import NightOptions, WorkOptions
from geoseg.options.option import HELP_GROUPS, READ_TIMEOUT, Option, known, option, result_values
from geoseg.options.tile import TileOptions

__all__ = [
    "BOUNDARIES",
    "ENGINES",
    "HELP_GROUPS",
    "MODEL_TIMEOUT",
    "PRECISIONS",
    "READ_TIMEOUT",
    "STAGES",
    "TTA",
    "VECTOR_FORMATS",
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
    "option",
    "result_values",
]


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
