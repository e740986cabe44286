"""geoseg evaluate: predictions against labels."""

from geoseg.options import EvaluateOptions
from geoseg.stages.evaluate.evaluate import Evaluation, evaluate, evaluate_model, evaluate_rasters, evaluate_run

__all__ = ["EvaluateOptions", "Evaluation", "evaluate", "evaluate_model", "evaluate_rasters", "evaluate_run"]
