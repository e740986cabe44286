"""The config of `geoseg run`: sections and keys follow from the options, so nothing is said twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from geoseg.arrays import Json
from geoseg.config import line_of, load_yaml
from geoseg.errors import UsageError
from geoseg.options import InferOptions, MosaicOptions, NightOptions, Option, TileOptions, WorkOptions, known
from geoseg.parse import path as path_of
from geoseg.sheets.kinds.addresses import is_remote

__all__ = ["RunConfig", "Stated", "as_of_config", "load_config", "with_config"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, protected_namespaces=())


class HooksSection(_Section):
    """Commands as lists of arguments (no shell), and a URL; all are told how the night ended, as JSON."""

    success: list[str] = []
    failure: list[str] = []
    webhook: str = ""


def _checked(read: Callable[[Any], object]) -> Callable[[object], object]:
    """A reader whose errors name file and line: pydantic knows where, the reader knows what."""

    def checked(value: object) -> object:
        try:
            return None if value is None else read(_no_truth(value))
        except UsageError as error:
            raise ValueError(f"{error.what} ({error.cure})") from error

    return checked


def _no_truth(value: object) -> object:
    """The value, if it holds no true or false: YAML reads yes, no, on and off as such, and Python counts them as 1, 0.

    Raises:
        ValueError: it holds one.
    """
    if isinstance(value, bool) or (isinstance(value, list) and any(isinstance(v, bool) for v in value)):
        raise ValueError(f"{str(value).lower()} is no value of this key")
    return value


def _kind(one: Option, hint: object) -> object:
    """Type of a key's value."""
    if one.read is not None:
        return Annotated[Any, BeforeValidator(_checked(one.read))]
    if one.choices:
        return Literal[one.choices]
    bounds: Any = {"gt" if one.above else "ge": one.least, "le": one.most}
    field: Any = Field(**{k: v for k, v in bounds.items() if v is not None})
    return Annotated[hint, field] if hint is bool else Annotated[hint, field, BeforeValidator(_no_truth)]


def keys_of(kind: type) -> dict[str, str]:
    """Keys of a config, and the option that each one stands for."""
    return {(one.key or name): name for name, one in known(kind).items() if one.key != ""}


def _section(name: str, *kinds: type, hooks: bool = False) -> type[_Section]:
    """A section of a config, out of the options of some values."""
    found: Json = {"hooks": (HooksSection, HooksSection())} if hooks else {}
    for kind in kinds:
        hints = get_type_hints(kind)
        for key, option in keys_of(kind).items():
            found[key] = _kind(known(kind)[option], hints[option]), None
    return create_model(name, __base__=_Section, **found)


SECTIONS: dict[str, tuple[type, ...]] = {
    "night": (NightOptions, WorkOptions),
    "tile": (TileOptions,),
    "infer": (InferOptions,),
    "mosaic": (MosaicOptions,),
}
"""Sections of a config, and the options that each one holds."""


_FIELDS: Json = {
    "sheets": (list[Annotated[Path, BeforeValidator(_checked(path_of))]], Field(min_length=1)),
    "out": (Annotated[Path | None, BeforeValidator(_checked(path_of))], None),
    "night": (_section("Night", *SECTIONS["night"], hooks=True) | None, None),
    **{name: (_section(name.title(), *SECTIONS[name]) | None, None) for name in ("tile", "infer", "mosaic")},
}
RunConfig: type[BaseModel] = create_model("RunConfig", __base__=_Section, **_FIELDS)
"""A whole run: where sheets come from, where results go, and the options of each stage."""


@dataclass(frozen=True)
class Stated:
    """What a config says: sheets, run folder, and the options that it names."""

    sheets: list[Path]
    out: Path | None
    options: dict[str, object]


def load_config(path: Path) -> Stated:
    """Read and check a config of `geoseg run`; relative paths in it count from its own folder.

    Raises:
        UsageError: see `config.load_yaml`.
    """
    config: Any = load_yaml(path, RunConfig, "configs/nightly.yaml")
    base = path.resolve().parent
    options: dict[str, object] = {}
    for section, kinds in SECTIONS.items():
        stated = getattr(config, section)
        if stated is None:
            continue
        names = {key: name for kind in kinds for key, name in keys_of(kind).items()}
        options |= {names[key]: getattr(stated, key) for key in stated.model_fields_set if key in names}
        if "hooks" in stated.model_fields_set:
            hooks = stated.hooks
            options |= {"success": tuple(hooks.success), "failure": tuple(hooks.failure), "webhook": hooks.webhook}
    options = {name: _anchored(value, base) for name, value in options.items() if value is not None}
    sheets = [p if is_remote(p) else base / p for p in config.sheets]
    return Stated(sheets, None if config.out is None else base / config.out, options)


def as_of_config(error: UsageError, sheets: Sequence[Path], spoken: Collection[str]) -> UsageError:
    """An error about an option as one about the key of the config that gave it, with file and line.

    Args:
        error: its subject may be an option, as `--gsd`.
        sheets: what stands for the sheets: maybe one config.
        spoken: options that stand on the command line, and so do not come from the config.
    """
    name = error.subject.removeprefix("--").replace("-", "_")
    if not _is_config(sheets) or not error.subject.startswith("--") or name in spoken:
        return error
    text = sheets[0].read_text("utf-8-sig")
    for section, kinds in SECTIONS.items():
        for kind in kinds:
            for key, option in keys_of(kind).items():
                line = line_of(text, [section, key]) if option == name else 0
                if line:
                    return UsageError(f"{sheets[0]}:{line}", f"{section}.{key}: {error.what}", error.cure)
    return error


def _is_config(sheets: Sequence[Path]) -> bool:
    return len(sheets) == 1 and sheets[0].suffix.lower() in (".yaml", ".yml")


def _anchored(value: object, base: Path) -> object:
    """Relative paths made absolute from the config's folder."""
    if isinstance(value, Path):
        return base / value
    if isinstance(value, tuple) and value and all(isinstance(v, Path) for v in value):
        return tuple(base / v for v in value)
    return value


def with_config(
    sheets: Sequence[Path], run: Path | None, options: Mapping[str, object]
) -> tuple[list[Path], Path | None, dict[str, object]]:
    """(sheets, run folder, options). Where a single YAML file stands for the sheets, it fills in what was left open.

    Raises:
        UsageError: see `load_config`.
    """
    paths = list(sheets)
    if not _is_config(paths):
        return paths, run, dict(options)
    config = load_config(paths[0])
    return config.sheets, run or config.out, {**config.options, **options}
