"""The pickles in an archive of torch, followed step by step without making anything of them.

torch's reader of TorchScript trusts the sizes in a pickle (torch/csrc/jit/serialization/unpickler.cpp): a tensor that
says it is larger than its record would read, and write, what lies behind it in memory.
"""

from __future__ import annotations

import pickletools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geoseg.errors import ModelError
from geoseg.models.foreign.archive import AGAIN

__all__ = ["check_pickle"]

_OWN = ("__torch__.", "__torch__ ")  # the latter: classes of a script or notebook itself
_BYTES = {
    **{"Double": 8, "Long": 8, "Float": 4, "Int": 4, "Half": 2, "BFloat16": 2, "Short": 2},
    **{"Char": 1, "Byte": 1, "Bool": 1},
}
"""Bytes of a number, by the name of torch's storage class."""
_NAMES = frozenset(
    {
        "torch._utils _rebuild_tensor_v2",
        "collections OrderedDict",
        *(f"torch {kind}Storage" for kind in _BYTES),
        *(f"torch.jit._pickle build_{kind}list" for kind in ("int", "tensor", "double", "bool")),
        "torch.jit._pickle restore_type_tag",
    }
)
"""What a pickle may name besides the archive's own classes; torch's reader takes no Python."""
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "TUPLE": None}
_TAKEN = {"APPEND": 1, "APPENDS": None, "SETITEM": 2, "SETITEMS": None, "BUILD": 1, "REDUCE": 2, "NEWOBJ": 2}
"""Values that a step takes; None for those above the last mark."""
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_CONTAINERS = {"EMPTY_LIST": list, "EMPTY_DICT": dict}
_GIVEN = ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
_MARK = object()


class _Made:
    """Stands for an object that torch would make."""


def check_pickle(path: Path, name: str, entries: Mapping[str, bytes]) -> None:
    """Follow one pickle.

    Args:
        path: of the archive, named in errors.
        name: of the pickle: data.pkl or constants.pkl; its tensors lie in the folder of that name.
        entries: of the archive.

    Raises:
        ModelError: it names what no network needs, or a tensor is not as large as its record.
    """
    try:
        _follow(path, name, entries)
    except (ValueError, IndexError, KeyError, TypeError, UnicodeError, AttributeError) as error:
        raise ModelError(path, f"{name} is damaged: {error}", "copy it again") from error


def _follow(path: Path, name: str, entries: Mapping[str, bytes]) -> None:
    stack: list[Any] = []
    memo: dict[object, Any] = {}
    for step, given, _ in pickletools.genops(entries[name]):
        kind = step.name
        if "torch.classes" in str(given) or (kind == "GLOBAL" and not _is_known(str(given))):
            raise ModelError(path, f"{name} names {given}, which no network needs", AGAIN)
        if kind == "BINPERSID":
            _check_record(path, name, stack.pop(), entries)
            stack.append(_Made())
        elif kind in ("BINPUT", "LONG_BINPUT"):
            memo[given] = stack[-1]
        elif kind in ("BINGET", "LONG_BINGET"):
            stack.append(memo[given])
        elif not (_pushes(kind, given, stack) or _takes(kind, stack) or kind in ("PROTO", "STOP")):
            raise ModelError(path, f"{name} holds the step {kind}, which torch never writes", AGAIN)


def _pushes(kind: str, given: Any, stack: list[Any]) -> bool:
    """Do a step that puts one value on the stack; False for another step."""
    if kind in _CONSTANTS:
        stack.append(_CONSTANTS[kind])
    elif kind in _CONTAINERS:
        stack.append(_CONTAINERS[kind]())
    elif kind in _GIVEN or kind == "GLOBAL":
        stack.append(given)
    elif kind == "MARK":
        stack.append(_MARK)
    else:
        return False
    return True


def _takes(kind: str, stack: list[Any]) -> bool:
    """Do a step that takes values from the stack, and may put one made of them there; False for another step."""
    if kind in _TUPLES:
        stack.append(tuple(_popped(stack, _TUPLES[kind])))
    elif kind in _TAKEN:
        _popped(stack, _TAKEN[kind])
        if kind in ("REDUCE", "NEWOBJ"):
            stack.append(_Made())
    else:
        return False
    return True


def _is_known(given: str) -> bool:
    return given in _NAMES or given.startswith(_OWN)


def _popped(stack: list[Any], count: int | None) -> list[Any]:
    """The last values of the stack: so many, or those above the last mark."""
    if count is None:
        at = len(stack) - 1 - stack[::-1].index(_MARK)
        found = stack[at + 1 :]
        del stack[at:]
        return found
    found = stack[-count:]
    if len(found) < count or _MARK in found:
        raise ValueError("it ends too early")
    del stack[-count:]
    return found


def _check_record(path: Path, name: str, record: Any, entries: Mapping[str, bytes]) -> None:
    """Refuse a tensor whose record is not as large as it says."""
    word, kind, key, _, count = record
    size = _BYTES.get(str(kind).removeprefix("torch ").removesuffix("Storage"))
    content = entries.get(f"{name.removesuffix('.pkl')}/{key}")
    if word != "storage" or size is None or content is None or isinstance(count, bool) or len(content) != size * count:
        found = "nothing" if content is None else f"{len(content):,} bytes"
        what = f"{name} wants {count} numbers of {kind} in record {key}, which holds {found}"
        raise ModelError(path, what, "copy it again")
