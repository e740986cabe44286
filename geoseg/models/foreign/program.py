"""torch.export archives (.pt2): a copy that holds the graph and the weights only, every word of it checked.

torch.export.load unpickles sample inputs, evaluates expressions as Python, looks operators up by dotted path, and
generates Python code from the names of the nodes. So the copy has no pickle but geoseg's own, its names are plain
words, and its operators are listed ones.
"""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from geoseg.arrays import Json
from geoseg.errors import ModelError
from geoseg.models.foreign.archive import AGAIN, read_archive
from geoseg.models.foreign.operators import is_listed

__all__ = ["checked_program", "operator_name", "program_shape"]

GRAPH = "models/model.json"
CONFIGS = {
    "weights": "data/weights/model_weights_config.json",
    "constants": "data/constants/model_constants_config.json",
}
_FRAME = ("archive_format", "archive_version", "byteorder", ".data/version", "version")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"[A-Za-z0-9_.+-]*")
_TEXT = re.compile(r"[A-Za-z0-9_ ,.>()+-]*")
_EXPRESSION = re.compile(r"[A-Za-z0-9_+*/(),'= -]{1,2000}")
_FUNCTIONS = frozenset(
    """
    Integer Rational Float Add Mul Pow Eq Ne Equality Unequality StrictLessThan LessThan StrictGreaterThan
    GreaterThan And Or Not Max Min FloorDiv ModularIndexing Where PythonMod Mod CleanDiv CeilToInt FloorToInt
    CeilDiv PowByNatural FloatPow FloatTrueDiv IntTrueDiv TruncToFloat TruncToInt RoundToInt ToFloat Identity
    """.split()  # noqa: SIM905 - easier to read than a list
)
"""Functions that expressions of sizes may call, besides Symbol."""
_SUMS = (ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context, ast.Expression)
_LEFT_OUT = ("metadata", "guards_code", "treespec_namedtuple_fields")
"""Parts of a graph that only explain it, or that torch turns into code; the copy has none of them."""
_REFUSED = frozenset({"as_custom_obj", "as_operator", "as_graph", "custom_obj"})
"""Kinds of arguments that bring code or objects along."""
_CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")


def checked_program(path: Path, data: bytes) -> dict[str, bytes]:
    """The entries of a torch.export archive that torch may load.

    Args:
        path: named in errors.
        data: the bytes of the file.

    Raises:
        ModelError: the archive is damaged, of a torch before 2.9, or holds more than a graph and its weights.
    """
    entries = read_archive(path, data)
    if GRAPH not in entries:
        old = any(n.endswith("serialized_exported_program.json") for n in entries) or not entries
        cure = "export it again with torch 2.9 or newer" if old else AGAIN
        raise ModelError(path, f"holds no {GRAPH}", cure)
    kept = {n: entries[n] for n in _FRAME if n in entries}
    for folder, name in CONFIGS.items():
        config = _json(path, name, entries.get(name, b""))
        kept[name] = _dumped(config)
        for payload in _payloads(path, config):
            place = f"data/{folder}/{payload}"
            if place not in entries:
                raise ModelError(path, f"lacks {place}", "copy it again")
            kept[place] = entries[place]
    graph = _without(_json(path, GRAPH, entries[GRAPH]))
    _check_graph(path, graph)
    graph["guards_code"] = []
    return {**kept, GRAPH: _dumped(graph), "data/sample_inputs/model.pt": _own_inputs(path, graph)}


def program_shape(path: Path, data: bytes) -> tuple[int, ...]:
    """The sizes (patches, bands, rows, columns) that a torch.export archive takes; 0 for any.

    Raises:
        ModelError: see `checked_program`.
    """
    graph = json.loads(checked_program(path, data)[GRAPH])
    first = next(iter(_input_sizes(path, graph)), [])
    return tuple(int(n["as_int"]) if "as_int" in n else 0 for n in first)


def _input_sizes(path: Path, graph: Json) -> list[list[Json]]:
    """The sizes of each input, as the graph spells them."""
    module = graph["graph_module"]
    specs = [s["user_input"]["arg"] for s in module["signature"]["input_specs"] if "user_input" in s]
    try:
        return [module["graph"]["tensor_values"][s["as_tensor"]["name"]]["sizes"] for s in specs]
    except (KeyError, TypeError) as error:
        raise ModelError(path, f"takes something other than tensors: {error}", AGAIN) from error


def _own_inputs(path: Path, graph: Json) -> bytes:
    """Sample inputs of our own in the place of a pickle of somebody else's: zeros of the shapes in the graph."""
    import torch

    sizes = _input_sizes(path, graph)
    try:
        shapes = [[_size(n) for n in one] for one in sizes]
    except (KeyError, TypeError) as error:
        raise ModelError(path, f"takes something other than tensors: {error}", AGAIN) from error
    inputs = tuple(torch.zeros(1).expand(shape) for shape in shapes)
    buffer = io.BytesIO()
    torch.save((inputs, {}), buffer)
    return buffer.getvalue()


def _size(size: Json) -> int:
    """One side of a shape; the hint of one that may vary."""
    return int(size["as_int"] if "as_int" in size else size["as_expr"]["hint"]["as_int"])


def _json(path: Path, name: str, content: bytes) -> Json:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelError(path, f"{name} is no JSON: {error}", "copy it again") from error
    if not isinstance(value, dict):
        raise ModelError(path, f"{name} holds a {type(value).__name__}, expected a mapping", AGAIN)
    return value


def _dumped(value: Json) -> bytes:
    return json.dumps(value).encode()


def _payloads(path: Path, config: Json) -> Iterator[str]:
    """Names of the files with weights.

    Raises:
        ModelError: one is a pickle, or has an odd name.
    """
    for name, one in dict(config.get("config", {})).items():
        file = str(one.get("path_name", ""))
        if one.get("use_pickle") is not False or not file.startswith(("weight_", "tensor_")):
            raise ModelError(path, f"{name!r} is pickled ({file!r})", "save plain tensors; nothing is unpickled")
        _check_words(path, {name: one}, frozenset())
        if not _NAME.fullmatch(file):
            raise ModelError(path, f"{name!r} lies in {file!r}, expected weight_N", AGAIN)
        yield file


def _without(value: Any) -> Any:
    """The same JSON without the parts that are left out; `metadata` stays as an empty mapping."""
    if isinstance(value, dict):
        return {k: ({} if k in _LEFT_OUT else _without(v)) for k, v in value.items()}
    return [_without(v) for v in value] if isinstance(value, list) else value


def _check_graph(path: Path, graph: Json) -> None:
    """Refuse a graph that holds a word which could be more than a name."""
    symbols = frozenset(graph.get("range_constraints", {}))
    entries = graph.get("graph_module", {}).get("module_call_graph", [])
    for entry in entries:
        signature = entry.get("signature") or {}
        for side in ("in_spec", "out_spec"):
            if side in signature:
                _check_spec(path, _json(path, side, b'{"spec": %b}' % str(signature[side]).encode())["spec"])
    _check_words(path, graph, symbols)


def _check_spec(path: Path, spec: Any) -> None:
    """Refuse a nesting of inputs or outputs that is made of more than tuples, lists and mappings."""
    nested = spec[1] if isinstance(spec, list) and len(spec) == 2 else spec
    if not isinstance(nested, dict) or nested.get("type") not in _CONTAINERS:
        what = f"its inputs or outputs are a {nested.get('type') if isinstance(nested, dict) else nested}"
        raise ModelError(path, what, "give tensors, or tuples, lists or mappings of them")
    context = nested.get("context")
    words = [] if context in (None, "null") else _json(path, "context", b'{"c": %b}' % str(context).encode())["c"]
    if not isinstance(words, list) or not all(isinstance(w, str) and _PATH.fullmatch(w) for w in words):
        raise ModelError(path, f"its inputs or outputs have the context {context!r}", "name outputs by plain words")
    for child in nested.get("children_spec", []):
        _check_spec(path, child)


def _check_words(path: Path, value: Any, symbols: frozenset[str], key: str = "") -> None:
    """Refuse a text that is more than its place needs."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in _REFUSED:
                raise ModelError(path, f"its graph holds {name}, which no network needs", AGAIN)
            if not _PATH.fullmatch(name):
                raise ModelError(path, f"its graph names {name!r}", AGAIN)
            _check_words(path, inner, symbols, name)
    elif isinstance(value, list):
        for inner in value:
            _check_words(path, inner, symbols, key)
    elif isinstance(value, str) and not _is_plain(key, value, symbols):
        raise ModelError(path, f"its graph holds {value[:80]!r} as {key}, which no network needs", AGAIN)


def _is_plain(key: str, value: str, symbols: frozenset[str]) -> bool:
    """Whether a text is no more than its key stands for."""
    if key == "target":
        return is_listed(operator_name(value))
    if key == "expr_str":
        return _is_size(value, symbols)
    if key in ("in_spec", "out_spec"):
        return True  # _check_spec has looked at them
    if key in ("as_string", "as_strings"):
        return bool(_TEXT.fullmatch(value))
    if re.search(r"(^|\.)__", value):  # a way from a name to what lies behind it
        return False
    return bool((_NAME if key in ("name", "as_name") else _PATH).fullmatch(value)) or value == ""


def _is_size(text: str, symbols: frozenset[str]) -> bool:
    """Whether an expression is a sum of declared symbols and numbers: torch has sympy evaluate it as Python.

    torch writes Add(Symbol('s77', integer=True), Integer(1)).
    """
    if not _EXPRESSION.fullmatch(text):
        return False
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _is_symbol(n, symbols)]
    known = {id(inner) for call in names for inner in ast.walk(call)}
    return all(id(n) in known or _is_number(n, symbols) for n in ast.walk(tree))


def _is_symbol(call: ast.Call, symbols: frozenset[str]) -> bool:
    """Whether a call is Symbol('declared', positive=True)."""
    named = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    facts = [k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)]
    is_plain = len(call.args) == 1 and len(facts) == len(call.keywords) and all(isinstance(f, bool) for f in facts)
    is_known = len(named) == 1 and named[0] in symbols
    return isinstance(call.func, ast.Name) and call.func.id == "Symbol" and is_plain and is_known


def _is_number(node: ast.AST, symbols: frozenset[str]) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS and not node.keywords
    if isinstance(node, ast.Name):
        return node.id in symbols or node.id in _FUNCTIONS
    return isinstance(node, _SUMS) or (isinstance(node, ast.Constant) and isinstance(node.value, (int, float)))


def operator_name(target: str) -> str:
    """A target such as torch.ops.aten.conv2d.default as aten::conv2d; one of no known form as it is."""
    found = re.fullmatch(r"torch\.ops\.([a-z]\w*)\.([A-Za-z_]\w*)\.([A-Za-z]\w*)", target)
    if found:
        return f"{found[1]}::{found[2]}"
    found = re.fullmatch(r"(_operator|math)\.([a-z]\w*)|torch\.(sym_[a-z]\w*)", target)
    if not found:
        return target
    return f"sym::{found[3]}" if found[3] else f"{found[1]}::{found[2]}"
