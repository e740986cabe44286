"""geoseg evaluate: predictions against labels."""

from geoseg.stages.evaluate.evaluate import EvaluateOptions, Evaluation, evaluate_model, evaluate_rasters, evaluate_run

__all__ = ["EvaluateOptions", "Evaluation", "evaluate_model", "evaluate_rasters", "evaluate_run"]
