"""Config files: YAML, checked key by key before any file is written."""

from __future__ import annotations

import reprlib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from geoseg.arrays import Json
from geoseg.errors import UsageError

__all__ = ["line_of", "load_yaml"]


Model = TypeVar("Model", bound=BaseModel)
MOST_VALUES = 1_000_000
"""Values in a config: a list of sheets may be long, but a bomb of aliases is longer."""


class _Loader(yaml.SafeLoader):
    """Safe YAML, with merge keys (`<<: *name`), that refuses a key given twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Json:
    seen: Json = {}
    merged: Json = {}
    for key_node, value_node in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            if merged:
                raise yaml.YAMLError(f"key '<<' is given twice, again in line {key_node.start_mark.line + 1}")
            merged = _merged(loader, value_node)
            continue
        key = loader.construct_object(key_node)  # type: ignore[no-untyped-call]
        if key in seen:
            raise yaml.YAMLError(f"key {key!r} is given twice, again in line {key_node.start_mark.line + 1}")
        seen[key] = loader.construct_object(value_node, deep=True)  # type: ignore[no-untyped-call]
    return merged | seen


def _merged(loader: _Loader, node: yaml.Node) -> Json:
    """The keys of the mapping, or list of mappings, that a merge key names; the first of a list wins."""
    value = loader.construct_object(node, deep=True)  # type: ignore[no-untyped-call]
    merged: Json = {}
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, dict):
            line = node.start_mark.line + 1
            raise yaml.YAMLError(
                f"<< in line {line} names {one!r}, expected a mapping, such as *name of one with &name"
            )
        merged = one | merged
    return merged


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load_yaml(path: Path, model: type[Model], example: str) -> Model:
    """Read a config and check it against its model; `example` is named in errors as one that works.

    Raises:
        UsageError: it is not YAML, or has an unknown key (names the nearest known one) or a bad value; names the line.
    """
    try:
        text = path.read_text("utf-8-sig")
        value = yaml.load(text, _Loader)
        size = _size(value, {})
    except FileNotFoundError as error:
        raise UsageError(path, "does not exist", "name a config that is there") from error
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise UsageError(path, f"cannot be read as YAML: {' '.join(str(error).split())}", f"see {example}") from error
    except RecursionError as error:
        raise UsageError(path, "is nested too deeply", f"see {example}") from error
    if size > MOST_VALUES:
        raise UsageError(path, f"holds more than {MOST_VALUES:,} values", f"see {example}")
    if not isinstance(value, dict):
        raise UsageError(path, "is not a mapping of keys", f"see {example}")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _explain(path, text, error, model) from error


def _size(value: object, known: dict[int, int]) -> int:
    """Values in a config with its aliases written out; each is counted only once, however often it is named."""
    if id(value) not in known:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        known[id(value)] = 1 + sum(_size(v, known) for v in inner)
    return known[id(value)]


def _explain(path: Path, text: str, error: ValidationError, model: type[BaseModel]) -> UsageError:
    """The first fault of a config, with its line and a cure."""
    first = error.errors()[0]
    place = [str(p) for p in first["loc"]]
    line = line_of(text, place)
    subject = f"{path}:{line}" if line else str(path)
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, place[:-1])
        near = get_close_matches(place[-1], known, 1)
        cure = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return UsageError(subject, f"unknown key {'.'.join(place)!r}", cure)
    what = f"{'.'.join(place)}: {first['msg'].removeprefix('Value error, ')}, found {reprlib.repr(first.get('input'))}"
    return UsageError(subject, what, "correct this key")


def _known_keys(model: type[BaseModel], place: list[str]) -> list[str]:
    """Keys of the section at a place, also behind list positions and inside unions."""
    section: Any = model
    for name in place:
        if isinstance(section, type) and issubclass(section, BaseModel) and name in section.model_fields:
            section = section.model_fields[name].annotation
        while not (isinstance(section, type) and issubclass(section, BaseModel)):
            inner = [a for a in get_args(section) if get_args(a) or (isinstance(a, type) and issubclass(a, BaseModel))]
            if not inner:
                break
            section = inner[0]
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []


def line_of(text: str, place: list[str]) -> int:
    """The line of a key in the text of a config, from 1; 0 if it is not there."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 0
    for name in place:
        if isinstance(node, yaml.SequenceNode) and name.isdigit() and int(name) < len(node.value):
            node = node.value[int(name)]
            line = node.start_mark.line + 1
            continue
        if not isinstance(node, yaml.MappingNode):
            break
        for key, child in node.value:
            if key.value == name:
                line, node = key.start_mark.line + 1, child
                break
    return line
