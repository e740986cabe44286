"""geoseg infer: a plan and a network to blocks."""

from geoseg.options import InferOptions
from geoseg.stages.infer.infer import InferReport, infer

__all__ = ["InferOptions", "InferReport", "infer"]
