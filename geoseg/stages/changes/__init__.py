"""Two nights side by side: what was added, removed and changed."""

from geoseg.stages.changes.compare import Changes, compare

__all__ = ["Changes", "compare"]
