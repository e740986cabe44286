"""Two nights side by side: what was added, removed and changed."""

from geoseg.stages.changes.compare import Changes, compare
from geoseg.stages.changes.lineage import CHANGES_GPKG

__all__ = ["CHANGES_GPKG", "Changes", "compare"]
