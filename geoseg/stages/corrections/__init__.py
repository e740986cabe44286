"""geoseg corrections: what people said of a map becomes a training set."""

from geoseg.stages.corrections.corrections import CorrectionsReport, corrections

__all__ = ["CorrectionsReport", "corrections"]
