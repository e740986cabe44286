"""geoseg train: from a config to a model file."""

from geoseg.stages.train.train import TrainResult, preview, train

__all__ = ["TrainResult", "preview", "train"]
