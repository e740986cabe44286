"""Graphs that want more than pixels: TorchScript, torch.export and ONNX files that would run code, open files or hang.

Each case makes the bytes of one file. Bait lies beside it: `secret.txt`, which nobody may read, and `RAN`, which nobody
may make. `models/foreign/` holds the quick tests; `benchmarks/hostile.py` gives each to a process of its own.
"""

from __future__ import annotations

import io
import json
import pickle
import random
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from corpus import Touch

STATIC, TRIED, HONEST = "static", "tried", "honest"
"""Refused by what the file says; refused by its first patch; harmless once what is bad was left out."""


@dataclass(frozen=True)
class Graph:
    """One file: its name, how it is made, words of the refusal, and what refuses it."""

    file: str
    make: Callable[[Path], bytes]
    words: str
    outcome: str = STATIC


class Stateful(torch.nn.Module):
    """A network that runs code while it is loaded."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x)

    @torch.jit.export
    def __getstate__(self):
        return (3, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]) -> None:
        self.training = state[1]


class Small(torch.nn.Module):
    """A network of six classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 6, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x))


@lru_cache(maxsize=8)
def scripted(module: torch.nn.Module | None = None) -> bytes:
    """An honest TorchScript file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script((module or Small()).eval()), buffer)
    return buffer.getvalue()


@lru_cache(maxsize=8)
def exported(module: torch.nn.Module | None = None, side: int = 64) -> bytes:
    """An honest torch.export file."""
    buffer = io.BytesIO()
    with torch.no_grad():
        torch.export.save(torch.export.export((module or Small()).eval(), (torch.zeros(1, 3, side, side),)), buffer)
    return buffer.getvalue()


def edited(data: bytes, changes: dict[str, Callable[[bytes], bytes]], more: dict[str, bytes] | None = None) -> bytes:
    """The archive with some entries changed (by the end of their names), and others added."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        entries = {n: old.read(n) for n in old.namelist()}
    folder = next(iter(entries)).partition("/")[0]
    for end, change in changes.items():
        (name,) = [n for n in entries if n.endswith(end)]
        entries[name] = change(entries[name])
    entries |= {f"{folder}/{n}": c for n, c in (more or {}).items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as new:
        for name, content in entries.items():
            new.writestr(name, content)
    return buffer.getvalue()


def code(body: str, extra: str = "", annotation: str = "") -> Callable[[Path], bytes]:
    """TorchScript whose forward is this; SECRET and RAN stand for the bait."""

    def make(folder: Path) -> bytes:
        def change(text: bytes) -> bytes:
            lines = "\n".join("    " + line for line in body.splitlines())
            head = text.decode().split("  def forward")[0]
            start = "  def forward(self: __torch__.hostile_models.Small,\n    x: Tensor) -> Tensor:\n"
            new = f"{head}{annotation}{start}{lines}\n{extra}"
            return new.replace("SECRET", str(folder / "secret.txt")).replace("RAN", str(folder / "RAN")).encode()

        return edited(scripted(), {"hostile_models.py": change})

    return make


def _graph(change: Callable[[dict, Path], object]) -> Callable[[Path], bytes]:
    """torch.export whose model.json was changed."""

    def make(folder: Path) -> bytes:
        def edit(text: bytes) -> bytes:
            value = json.loads(text)
            change(value, folder)
            return json.dumps(value).encode()

        return edited(exported(), {"models/model.json": edit})

    return make


def _added(name: str) -> Callable[[Path], bytes]:
    """torch.export with a pickled constant of this name."""
    change = lambda c: c.update(o=_constant(path_name=name))
    return _config("constants", change, {f"data/constants/{name}": b"RAN"})


def _config(
    kind: str, change: Callable[[dict], object], more: dict[str, bytes] | None = None
) -> Callable[[Path], bytes]:
    """torch.export whose list of weights or constants was changed; RAN in added entries is a pickle of `Touch`."""

    def make(folder: Path) -> bytes:
        def edit(text: bytes) -> bytes:
            value = json.loads(text)
            change(value["config"])
            return json.dumps(value).encode()

        bad = {n: (pickle.dumps(Touch(folder / "RAN")) if c == b"RAN" else c) for n, c in (more or {}).items()}
        return edited(exported(), {f"model_{kind}_config.json": edit}, bad)

    return make


def _node(graph: dict, **values: object) -> None:
    graph["graph_module"]["graph"]["nodes"][0].update(values)


def _nodes(graph: dict) -> list:
    return graph["graph_module"]["graph"]["nodes"]


def _renamed(graph: dict, name: str) -> None:
    """The first node's output under another name, wherever it occurs."""
    old = _nodes(graph)[0]["outputs"][0]["as_tensor"]["name"]
    text = json.dumps(graph["graph_module"]).replace(json.dumps(old), json.dumps(name))
    graph["graph_module"] = json.loads(text)


def _first_size(graph: dict, expression: str) -> None:
    values = graph["graph_module"]["graph"]["tensor_values"]
    values["x"]["sizes"][0] = {"as_expr": {"expr_str": expression, "hint": {"as_int": 1}}}


def _spec(graph: dict, text: str) -> None:
    graph["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = text


def _constant(**facts: object) -> dict:
    return {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None, **facts}


def _touching(folder: Path) -> str:
    return f"__import__('os').system('touch {folder / 'RAN'}')"


def _spec_of(kind: str, context: str) -> str:
    leaf = {"type": None, "context": None, "children_spec": []}
    return json.dumps([1, {"type": kind, "context": context, "children_spec": [leaf]}])


def _onnx(change: Callable[[object, object], object]) -> Callable[[Path], bytes]:
    """An honest ONNX file that was changed."""

    def make(folder: Path) -> bytes:
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        weights = numpy_helper.from_array(torch.zeros(6, 3, 1, 1).numpy(), "w")
        node = helper.make_node("Conv", ["x", "w"], ["y"])
        given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 64, 64])
        taken = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6, 64, 64])
        graph = helper.make_graph([node], "g", [given], [taken], [weights])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        change(model, onnx)
        return bytes(model.SerializeToString())

    return make


def _outside(tensor: object, location: str, onnx: object) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location


def _outside_attribute(model: object, onnx: object) -> None:
    node = onnx.helper.make_node("Constant", [], ["c"], value=onnx.helper.make_tensor("t", 1, [1], [0.0]))
    _outside(node.attribute[0].t, "secret.txt", onnx)
    model.graph.node.insert(0, node)


def _looping(model: object, onnx: object) -> None:
    """A loop of 2^62 rounds."""
    h, t = onnx.helper, onnx.TensorProto
    body = h.make_graph(
        [h.make_node("Identity", ["on"], ["on_out"]), h.make_node("Tanh", ["v"], ["v_out"])],
        "body",
        [h.make_tensor_value_info("i", t.INT64, []), h.make_tensor_value_info("on", t.BOOL, []),
         h.make_tensor_value_info("v", t.FLOAT, None)],
        [h.make_tensor_value_info("on_out", t.BOOL, []), h.make_tensor_value_info("v_out", t.FLOAT, None)],
    )  # fmt: skip
    model.graph.node[0].output[0] = "z"
    model.graph.initializer.append(h.make_tensor("rounds", t.INT64, [], [1 << 62]))
    model.graph.initializer.append(h.make_tensor("yes", t.BOOL, [], [True]))
    model.graph.node.append(h.make_node("Loop", ["rounds", "yes", "z"], ["y"], body=body))


def _hungry(model: object, onnx: object) -> None:
    h, t = onnx.helper, onnx.TensorProto
    model.graph.initializer.append(h.make_tensor("many", t.INT64, [2], [1 << 20, 1 << 20]))
    model.graph.node.append(h.make_node("ConstantOfShape", ["many"], ["huge"]))
    model.graph.node.append(h.make_node("ReduceSum", ["huge"], ["one"], keepdims=0))
    model.graph.node[0].output[0] = "z"
    model.graph.node.append(h.make_node("Add", ["z", "one"], ["y"]))


def _bomb(folder: Path) -> bytes:
    """Code that unpacks to 272 MB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(17):
            archive.writestr(f"m/code/__torch__/a{number}.py", b"#" * (16 << 20))
        archive.writestr("m/data.pkl", b"")
    return buffer.getvalue()


def _twice(folder: Path) -> bytes:
    """An archive that names its pickle twice: readers differ about which one counts."""
    buffer = io.BytesIO(scripted())
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "a") as archive:
        warnings.simplefilter("ignore")
        (name,) = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        archive.writestr(name, pickle.dumps(Touch(folder / "RAN")))
    return buffer.getvalue()


def flipped(data: bytes, seed: int) -> bytes:
    """The same bytes with eight bits flipped."""
    numbers, changed = random.Random(seed), bytearray(data)
    for _ in range(8):
        changed[numbers.randrange(len(changed))] ^= 1 << numbers.randrange(8)
    return bytes(changed)


def _loading(statement: str) -> Callable[[Path], bytes]:
    """TorchScript that does this while it is loaded."""

    def make(folder: Path) -> bytes:
        def change(text: bytes) -> bytes:
            lines = text.decode().split("\n")
            at = lines.index("    self.training = (state)[1]")
            lines.insert(at, "    " + statement.replace("SECRET", str(folder / "secret.txt")))
            return "\n".join(lines).encode()

        return edited(scripted(Stateful()), {"hostile_models.py": change})

    return make


_OWN_NAME = """  def from_file(self: __torch__.hostile_models.Small) -> int:
    return 1
"""
RETURN_X = "return torch.relu(x)"

GRAPHS: dict[str, Graph] = {
    # TorchScript
    "reads a file": Graph("m.pt", code('return torch.from_file("SECRET", False, 4)'), "aten::from_file"),
    "writes a file": Graph("m.pt", code('y = torch.from_file("RAN", True, 4)\n' + RETURN_X), "aten::from_file"),
    "saves a tensor": Graph("m.pt", code('torch.save(x, "RAN")\n' + RETURN_X), "aten::save"),
    "reads by ops": Graph("m.pt", code('return ops.aten.from_file("SECRET", False, 4)'), "aten::from_file"),
    "reads as a method of text": Graph("m.pt", code('return "SECRET".from_file(False, 4)'), "aten::from_file"),
    "reads by a method of its own name": Graph(
        "m.pt", code('return "SECRET".from_file(False, 4)', _OWN_NAME), "aten::from_file"
    ),
    "reads by another name": Graph(
        "m.pt", code('f = torch.from_file\nreturn f("SECRET", False, 4)'), "aten::from_file"
    ),
    "reads by getattr": Graph("m.pt", code('return getattr("SECRET", "from_file")(False, 4)'), "a call of a Call"),
    "namespace as a value": Graph(
        "m.pt", code('t = torch\nreturn t.from_file("SECRET", False, 4)'), "as a value|from_file"
    ),
    "reads while it is loaded": Graph("m.pt", _loading('t = torch.from_file("SECRET", False, 4)'), "aten::from_file"),
    "imports": Graph("m.pt", code("import os\n" + RETURN_X), "import os"),
    "imports from": Graph("m.pt", code("from os import system\n" + RETURN_X), "ImportFrom"),
    "runs Python": Graph("m.pt", code("exec(\"open('RAN', 'w')\")\n" + RETURN_X), "python::exec"),
    "lambda": Graph("m.pt", code("f = lambda y: y\n" + RETURN_X), "Lambda"),
    "with": Graph("m.pt", code("with x as y:\n  pass\n" + RETURN_X), "With"),
    "prints": Graph("m.pt", code("print(x)\n" + RETURN_X), "python::print"),
    "starts threads": Graph("m.pt", code("y = fork(x)\n" + RETURN_X), "python::fork"),
    "class of the backend": Graph(
        "m.pt", code("y = __torch__.torch.classes.quantized.Conv2dPackedParamsBase()\n" + RETURN_X), "torch.classes"
    ),
    "attribute of a backend's class": Graph(
        "m.pt", code(RETURN_X, annotation="  packed : __torch__.torch.classes.nnapi.Compilation\n"), "torch.classes"
    ),
    "pickle names Python": Graph(
        "m.pt", lambda f: edited(scripted(), {"/data.pkl": lambda d: pickle.dumps(Touch(f / "RAN"), 2)}), "names"
    ),
    "pickle names a backend's class": Graph(
        "m.pt",
        lambda f: edited(scripted(), {"/data.pkl": lambda d: b"\x80\x02c__torch__.torch.classes.q\nC\n."}),
        "torch.classes",
    ),
    "pickle is damaged": Graph("m.pt", lambda f: edited(scripted(), {"/data.pkl": lambda d: b"\x80\x02X"}), "damaged"),
    "names an entry twice": Graph("m.pt", _twice, "twice"),
    "unpacks to 272 MB": Graph("m.pt", _bomb, "declares"),
    "brackets 100,000 deep": Graph("m.pt", code("return " + "(" * 100_000 + "x" + ")" * 100_000), "no TorchScript"),
    "no Python": Graph("m.pt", code("return x)) {"), "no TorchScript"),
    "text that Python reads otherwise": Graph(
        "m.pt",
        lambda f: edited(
            code('s = ("+ACI-)#", torch.from_file("RAN", True, 4))\n' + RETURN_X)(f),
            {"hostile_models.py": lambda text: b"# coding: utf-7\n" + text},
        ),
        "aten::from_file",
    ),
    "text that is no ASCII": Graph(
        "m.pt",
        lambda f: edited(scripted(), {"hostile_models.py": lambda text: text + b"# \xe2\x80\xa8x = 1\n"}),
        "no TorchScript",
    ),
    "parameter that hides the archive": Graph(
        "m.pt",
        code(RETURN_X, "  def g(self: __torch__.hostile_models.Small, __torch__: Tensor) -> int:\n    return 1\n"),
        "__torch__ as a parameter",
    ),
    "variable that hides a word": Graph(
        "m.pt",
        code("print(1)\nprint = __torch__.hostile_models.Small\n" + RETURN_X),
        "python::print|print as a variable",
    ),
    "variable that hides a namespace": Graph("m.pt", code("torch = x\n" + RETURN_X), "torch as a"),
    "one object taken for another": Graph(
        "m.pt",
        code("b = unchecked_cast(__torch__.torch.nn.modules.conv.Conv2d, self)\n" + RETURN_X),
        "unchecked_cast to a class",
    ),
    "tensor larger than its record": Graph(
        "m.pt",
        lambda f: edited(scripted(), {"/data.pkl": lambda d: d.replace(b"K\x12", b"J\xa0\x86\x01\x00")}),
        "which holds 72 bytes",
    ),
    "record that is not there": Graph(
        "m.pt",
        lambda f: edited(scripted(), {"/data/0": lambda d: d[:4]}),
        "which holds 4 bytes",
    ),
    "never ends": Graph("m.pt", code("y = x\nwhile True:\n  y = torch.tanh(y)\nreturn y"), "after", TRIED),
    "calls while it is loaded": Graph("m.pt", _loading("y = self.forward(x)"), "a call of forward in __setstate__"),
    "never ends while it is loaded": Graph("m.pt", _loading("while True:\n      y = 1"), "While in __setstate__"),
    "takes all memory": Graph(
        "m.pt",
        code("y = torch.zeros([1048576, 1048576])\nreturn torch.add(x, torch.sum(y))"),
        "of memory",
        TRIED,
    ),
    # torch.export
    "sample inputs run code": Graph(
        "m.pt2",
        lambda f: edited(exported(), {"sample_inputs/model.pt": lambda d: pickle.dumps(Touch(f / "RAN"))}),
        "",
        HONEST,
    ),
    "weights are a pickle": Graph(
        "m.pt2",
        _config("weights", lambda c: c["conv.weight"].update(use_pickle=True)),
        "is pickled",
    ),
    "constant is an opaque pickle": Graph(
        "m.pt2",
        _added("opaque_obj_0"),
        "is pickled",
    ),
    "constant is a pickled class": Graph(
        "m.pt2",
        _added("custom_obj_0"),
        "is pickled",
    ),
    "constant is a pickled tensor": Graph(
        "m.pt2",
        _added("tensor_0"),
        "is pickled",
    ),
    "old weights beside the new": Graph(
        "m.pt2",
        lambda f: edited(exported(), {}, {"data/weights/model.pt": pickle.dumps(Touch(f / "RAN"))}),
        "",
        HONEST,
    ),
    "weights lie elsewhere": Graph(
        "m.pt2", _config("weights", lambda c: c["conv.weight"].update(path_name="weight_/../x")), "lies in|holds"
    ),
    "size is code": Graph("m.pt2", _graph(lambda g, f: _first_size(g, _touching(f))), "as expr_str"),
    "size is an attribute": Graph("m.pt2", _graph(lambda g, f: _first_size(g, "S.__class__")), "as expr_str"),
    "size calls a function of sympy": Graph("m.pt2", _graph(lambda g, f: _first_size(g, "preview(2)")), "as expr_str"),
    "guard is code": Graph("m.pt2", _graph(lambda g, f: g.update(guards_code=[_touching(f)])), "", HONEST),
    "range names code": Graph(
        "m.pt2",
        _graph(lambda g, f: g["range_constraints"].update({_touching(f): {"min_val": 1, "max_val": 2}})),
        "names",
    ),
    "operator is torch.load": Graph("m.pt2", _graph(lambda g, f: _node(g, target="torch.load")), "torch.load"),
    "operator is os.system": Graph(
        "m.pt2", _graph(lambda g, f: _node(g, target="torch.utils.collect_env.os.system")), "os.system"
    ),
    "operator reads a file": Graph(
        "m.pt2", _graph(lambda g, f: _node(g, target="torch.ops.aten.from_file.default")), "from_file"
    ),
    "operator is of Python": Graph(
        "m.pt2", _graph(lambda g, f: _node(g, target="_operator.methodcaller")), "methodcaller"
    ),
    "argument is an operator": Graph(
        "m.pt2",
        _graph(lambda g, f: _nodes(g)[0]["inputs"][0].update(arg={"as_operator": "torch.hub.load"})),
        "as_operator",
    ),
    "argument is a graph": Graph(
        "m.pt2", _graph(lambda g, f: _nodes(g)[0]["inputs"][0].update(arg={"as_graph": {"name": "g"}})), "as_graph"
    ),
    "node is named by code": Graph("m.pt2", _graph(lambda g, f: _renamed(g, f"y = {_touching(f)}; z")), "as name"),
    "node is named by an attribute": Graph("m.pt2", _graph(lambda g, f: _renamed(g, "torch.load")), "as name"),
    "keyword is code": Graph(
        "m.pt2",
        _graph(lambda g, f: _nodes(g)[0]["inputs"][0].update(name=f"a={_touching(f)}, b", kind=2)),
        "as name",
    ),
    "text is code": Graph(
        "m.pt2",
        _graph(lambda g, f: _nodes(g)[0]["inputs"][0].update(arg={"as_string": "'; import os #"})),
        "as as_string",
    ),
    "output imports a module": Graph(
        "m.pt2",
        _graph(lambda g, f: _spec(g, _spec_of("collections.defaultdict", '{"default_factory_module": "os"}'))),
        "defaultdict",
    ),
    "context imports an enum": Graph(
        "m.pt2",
        _graph(lambda g, f: _spec(g, _spec_of("builtins.dict", '[{"__enum__": true, "fqn": "os:x", "name": "y"}]'))),
        "context",
    ),
    "graph of 100,000 levels": Graph(
        "m.pt2", lambda f: edited(exported(), {"models/model.json": lambda d: b"[" * 100_000}), "no JSON"
    ),
    "format of torch 2.7": Graph(
        "m.pt2", lambda f: edited(exported(), {}, {}).replace(b"models/model.json", b"models/older.json"), "holds no"
    ),
    # ONNX
    "weights in another file": Graph(
        "m.onnx", _onnx(lambda m, o: _outside(m.graph.initializer[0], "secret.txt", o)), "outside"
    ),
    "weights in a file of the system": Graph(
        "m.onnx", _onnx(lambda m, o: _outside(m.graph.initializer[0], "/etc/passwd", o)), "outside"
    ),
    "weights of an attribute elsewhere": Graph("m.onnx", _onnx(_outside_attribute), "outside"),
    "operator of nobody": Graph("m.onnx", _onnx(lambda m, o: setattr(m.graph.node[0], "domain", "evil")), "operator"),
    "context of an engine": Graph(
        "m.onnx",
        _onnx(lambda m, o: m.graph.node.append(o.helper.make_node("EPContext", [], ["c"], domain="com.microsoft"))),
        "EPContext",
    ),
    "loop of 2^62 rounds": Graph("m.onnx", _onnx(_looping), "after", TRIED),
    "tensor of 2^40 numbers": Graph("m.onnx", _onnx(_hungry), "of memory|cannot", TRIED),
}
