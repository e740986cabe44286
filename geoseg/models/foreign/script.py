"""TorchScript archives: every name in their code is checked before torch compiles it.

torch.jit.load runs `__setstate__` while it loads, so looking at the loaded graph would be too late. The code is text in
the grammar of Python (torch/csrc/jit/serialization/python_print.cpp). It is parsed, never run, by Python's own parser:
calls must go to listed operators or to functions of the archive itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from geoseg.errors import ModelError
from geoseg.models.foreign.archive import AGAIN, read_archive
from geoseg.models.foreign.operators import is_listed
from geoseg.models.foreign.pickles import check_pickle

__all__ = ["checked_script", "names_of"]

_TREES = (
    *(ast.Module, ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AnnAssign),
    *(ast.For, ast.While, ast.If, ast.Expr, ast.Pass, ast.Break, ast.Continue, ast.Call, ast.keyword, ast.Attribute),
    *(ast.Subscript, ast.Slice, ast.Name, ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.BinOp, ast.UnaryOp),
    *(ast.BoolOp, ast.Compare, ast.IfExp, ast.Import, ast.alias, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
    *(ast.expr_context, ast.Assert, ast.AugAssign),
)
_OWN = "__torch__"
_ROOTS = ("torch", "ops", _OWN)
_CASTS = ("unchecked_cast", "uninitialized", "annotate")
_WORDS = frozenset(
    {"CONSTANTS", "fork", "wait", "awaitable", "print", "super", "isinstance", "hasattr", "len"}
    | {"rpc_sync", "rpc_async", "rpc_remote"}
)
"""Words of TorchScript besides those that may be called."""


def checked_script(path: Path, data: bytes) -> dict[str, bytes]:
    """The entries of a TorchScript archive that torch may load.

    Args:
        path: named in errors.
        data: the bytes of the file.

    Raises:
        ModelError: the archive is damaged, or its code names what no network needs.
    """
    entries = read_archive(path, data)
    kept = {n: content for n, content in entries.items() if _is_needed(n)}
    for name in kept:
        if name.endswith(".pkl"):
            check_pickle(path, name, kept)
    trees = {name: _parsed(path, name, content) for name, content in kept.items() if name.startswith("code/")}
    own = {n.name for tree in trees.values() for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    foreign = _registered()
    hidden = {n for n in own if n in foreign and not is_listed(f"aten::{n}")}
    for name, tree in trees.items():
        for used in names_of(tree, own - hidden):
            if not is_listed(used):
                what = f"its code names {used} (in {name}), which no network needs"
                raise ModelError(path, what, "if you trust where it comes from, export it as ONNX or torch.export")
    return {**kept, **{name: ast.unparse(tree).encode() + b"\n" for name, tree in trees.items()}}


def _is_needed(name: str) -> bool:
    """Whether torch needs an entry to compute; debug information and extra files are left out."""
    if name.startswith("code/"):
        return name.endswith(".py")
    facts = ("data.pkl", "constants.pkl", "version", ".data/version", "byteorder")
    return name in facts or name.startswith(("data/", "constants/"))


def _registered() -> frozenset[str]:
    """Names of all operators that this torch knows: TorchScript takes `x.NAME(...)` for any of them."""
    import torch

    return frozenset(s.name.partition("::")[2] for s in torch._C._jit_get_all_schemas())


def _parsed(path: Path, name: str, content: bytes) -> ast.Module:
    """The tree of a code file, which torch gets again as text: comments and the like mean different things to both."""
    try:
        tree = ast.parse(content.decode("ascii"))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ModelError(path, f"{name} is no TorchScript: {error}", AGAIN) from error
    strange = next((n for n in ast.walk(tree) if not isinstance(n, _TREES)), None)
    if strange is not None:
        raise ModelError(path, f"{name} holds a {type(strange).__name__}, which torch never writes", AGAIN)
    return tree


def names_of(tree: ast.Module, own: set[str]) -> Iterator[str]:
    """All names that code could run, as NAMESPACE::NAME; what cannot be told is named so that no list holds it.

    Args:
        tree: of a code file.
        own: functions of the archive, which may be called as methods.
    """
    inner = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    aliases = {id(n): known for f in functions for known in [_aliases(f)] for n in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield from _function_names(node)
        elif isinstance(node, ast.Import):
            yield from (f"import {a.name}" for a in node.names if not a.name.startswith(_OWN + "."))
        elif isinstance(node, ast.Name) and node.id in _ROOTS and id(node) not in inner:
            yield f"{node.id} as a value"
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and _is_taken(node.id):
            yield f"{node.id} as a variable"
        elif isinstance(node, ast.Attribute):
            yield from _attribute_names(node, id(node) in inner)
        elif isinstance(node, ast.Call):
            yield from _call_names(node, own, aliases.get(id(node), set()))


def _function_names(function: ast.FunctionDef) -> Iterator[str]:
    """What is odd about a function itself."""
    if function.decorator_list:
        yield f"@{function.name}"
    yield from (f"{a.arg} as a parameter" for a in function.args.args if _is_taken(a.arg))
    if function.name == "__setstate__":  # it runs while the file is loaded, where nothing watches the time
        loops = [n for n in ast.walk(function) if isinstance(n, (ast.While, ast.For))]
        yield from (f"{type(n).__name__} in __setstate__" for n in loops)
        calls = [n.func for n in ast.walk(function) if isinstance(n, ast.Call)]
        own = [c.attr for c in calls if isinstance(c, ast.Attribute) and _chain(c)[0] not in ("torch", "ops")]
        own += [c.id for c in calls if isinstance(c, ast.Name) and not is_listed(f"python::{c.id}")]
        yield from (f"a call of {name} in __setstate__" for name in own)


def _is_taken(name: str) -> bool:
    """Whether a name means something to TorchScript, so that code which binds it would mislead this check."""
    return name in _ROOTS or name in _WORDS or is_listed(f"python::{name}")


def _attribute_names(node: ast.Attribute, is_inner: bool) -> Iterator[str]:
    root, *rest = chain = _chain(node)
    if root == "torch":
        yield f"aten::{rest[0]}" if len(rest) == 1 else ".".join(chain)
    elif root == "ops" and not (is_inner and len(rest) == 1):
        yield "::".join(rest) if len(rest) == 2 else ".".join(chain)
    elif root == _OWN and rest[:2] == ["torch", "classes"]:
        yield ".".join(chain)


def _call_names(node: ast.Call, own: set[str], aliases: set[str]) -> Iterator[str]:
    called = node.func
    if isinstance(called, ast.Name):
        if called.id not in aliases:
            yield f"python::{called.id}"
        if called.id in _CASTS and any(_names_class(a) for a in node.args[:1]):
            yield f"{called.id} to a class"  # torch does not check it, and would take one object for another
    elif not isinstance(called, ast.Attribute):
        yield f"a call of a {type(called).__name__}"
    elif _chain(called)[0] not in ("torch", "ops", _OWN) and called.attr not in own:
        yield f"aten::{called.attr}"
    if isinstance(called, ast.Attribute) and _chain(called) == ["torch", "device"] and not _is_constant_call(node):
        yield "torch.device of a variable"


def _names_class(kind: ast.expr) -> bool:
    return any(isinstance(n, ast.Name) and n.id == _OWN for n in ast.walk(kind))


def _is_constant_call(node: ast.Call) -> bool:
    return not node.keywords and all(isinstance(a, ast.Constant) for a in node.args)


def _chain(node: ast.expr) -> list[str]:
    """The words of `a.b.c`; the first is "" where the dots do not start at a name."""
    words: list[str] = []
    while isinstance(node, ast.Attribute):
        words.insert(0, node.attr)
        node = node.value
    return [node.id if isinstance(node, ast.Name) else "", *words]


def _aliases(function: ast.FunctionDef) -> set[str]:
    """Local names of a function that only ever stand for functions of the archive.

    torch writes `_1 = __torch__.f` before `_1(x)`.
    """
    own = [
        n.targets[0]
        for n in ast.walk(function)
        if isinstance(n, ast.Assign) and isinstance(n.value, ast.Attribute) and _chain(n.value)[0] == _OWN
    ]
    stores = [n for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    marked = {id(n) for n in own}
    other = {n.id for n in stores if id(n) not in marked} | {a.arg for a in function.args.args}
    return {n.id for n in stores if id(n) in marked and re.fullmatch(r"_\d+", n.id)} - other
