"""geoseg infer: a plan and a network to blocks."""

from geoseg.stages.infer.infer import InferOptions, InferReport, infer

__all__ = ["InferOptions", "InferReport", "infer"]
