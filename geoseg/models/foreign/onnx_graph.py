"""ONNX files: weights inside the file, operators of the standard, nothing that points elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from geoseg.errors import ModelError

__all__ = ["checked_onnx", "input_shape", "parse_onnx"]

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_FUSED = frozenset(
    """
    BiasAdd BiasGelu ConvTransposeWithDynamicPads FastGelu FusedConv FusedGemm FusedMatMul Gelu LayerNormalization
    MatMulNBits NhwcMaxPool QLinearAdd QLinearConcat QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul
    QLinearSigmoid QuickGelu SkipLayerNormalization
    """.split()  # noqa: SIM905 - easier to read than a list
)
"""Operators that ONNX Runtime's own optimiser writes (domain com.microsoft); others there may name files."""


def parse_onnx(path: Path, data: bytes) -> Any:
    """The ONNX message in a file; files beside it are not opened.

    Raises:
        ModelError: the onnx package is not installed, or the file is damaged.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise ModelError(path, "needs the onnx package to be read", "pip install 'geoseg[onnx]'") from error
    try:
        return onnx.load_model_from_string(data)
    except (DecodeError, ValueError) as error:
        raise ModelError(path, f"is damaged: {error}", "copy it again") from error


def checked_onnx(path: Path, data: bytes) -> bytes:
    """The bytes of an ONNX file that ONNX Runtime may load.

    Raises:
        ModelError: its weights lie in another file, or it names operators that are not of the standard.
    """
    import onnx

    model = parse_onnx(path, data)
    own = {(f.domain, f.name) for f in model.functions}
    known = {("", s.name) for s in onnx.defs.get_all_schemas() if s.domain in _DOMAINS}
    known |= {("com.microsoft", name) for name in _FUSED} | {o for o in own if o[0] != "com.microsoft"}
    for message in _messages(model):
        if isinstance(message, onnx.TensorProto) and (message.external_data or message.data_location):
            where = next((e.value for e in message.external_data if e.key == "location"), "another file")
            cure = "save it as one file: onnx.save(model, path, save_as_external_data=False)"
            raise ModelError(path, f"keeps weights outside itself, in {where!r}", cure)
        if isinstance(message, onnx.NodeProto):
            domain = "" if message.domain in _DOMAINS else message.domain
            if (domain, message.op_type) not in known:
                what = f"names the operator {domain or 'ai.onnx'}::{message.op_type}, which geoseg does not know"
                raise ModelError(path, what, "export it with operators of the ONNX standard")
    return data


def input_shape(model: Any) -> tuple[int, ...]:
    """The sizes (patches, bands, rows, columns) that the first input of a parsed ONNX file takes; 0 for any.

    () where the file does not say how many dimensions it has.
    """
    stored = {t.name for t in model.graph.initializer}  # older files list their weights as inputs, too
    for value in model.graph.input:
        if value.name not in stored:
            return tuple(max(0, d.dim_value) for d in value.type.tensor_type.shape.dim)
    return ()


def _messages(message: Any) -> Iterator[Any]:
    """A message and all messages inside it."""
    waiting = [message]
    while waiting:
        one = waiting.pop()
        yield one
        for field, value in one.ListFields():
            if field.type == field.TYPE_MESSAGE:
                waiting.extend(value if _is_many(value) else [value])


def _is_many(value: Any) -> bool:
    return hasattr(value, "__len__") and not hasattr(value, "ListFields")
