"""geoseg changes: what was added, removed and changed between two nights.

OLD, NEW -> one grid -> one look at both rasters -> land cover from class to class, the ground that both have
         -> objects matched by overlap, roads by stretches -> changes.gpkg, changes.html
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas

from geoseg.arrays import Json
from geoseg.errors import UsageError
from geoseg.gis.geopackage import Layer
from geoseg.layers import LAYERS
from geoseg.options import ChangesOptions
from geoseg.runfolder.folder import NIGHT_JSON, Run
from geoseg.stages.changes.common_ground import CommonGround, common_ground
from geoseg.stages.changes.landcover import LandCover, land_cover
from geoseg.stages.changes.lineage import CHANGES_GPKG, carried_over, first_names
from geoseg.stages.changes.objects import changed_objects, match
from geoseg.stages.changes.package import landcover_layer, lines_layer, objects_layer, write_package
from geoseg.stages.changes.page import write_page
from geoseg.stages.changes.roads import stretches
from geoseg.stages.changes.rows import KINDS, in_words, line_rows, object_rows
from geoseg.stages.changes.scan import scan
from geoseg.stages.changes.sides import Both, both_sides

__all__ = ["Changes", "compare"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Changes:
    """What changed from OLD to NEW.

    Attributes:
        old, new: names of the two nights.
        tolerance: metres on the ground that was used.
        out: the GeoPackage.
        counts: changes of each kind by layer: `counts["buildings"]["added"]`.
        land_cover: the matrix from class to class, and its balance.
    """

    old: str
    new: str
    tolerance: float
    out: Path
    counts: dict[str, dict[str, int]]
    land_cover: LandCover

    def to_json(self) -> Json:
        """All of it as plain values."""
        facts = {"old": self.old, "new": self.new, "tolerance_m": self.tolerance, "changes": self.counts}
        return {**facts, **self.land_cover.to_json()}

    def said(self) -> list[str]:
        """A line for each layer: "12 new buildings, 3 gone"."""
        return [in_words(name, counts) for name, counts in self.counts.items()]


def compare(old: Path, new: Path, out: Path, options: ChangesOptions | None = None) -> Changes:
    """Compare two nights, and write what changed.

    Args:
        old: a run folder, or a folder of outputs such as a published night.
        new: the same, later.
        out: the GeoPackage to write; a page of the same name with .html is written beside it.
        options: see `ChangesOptions`.

    Raises:
        UsageError: no outputs there, or they lie on different grids; names the commands that align them.
        PlanError: a run whose mosaic has not finished.
        SheetError: a raster cannot be read.
        EnvironmentFault: the file could not be written whole, or another program has it open.
    """
    options = options or ChangesOptions()
    both = both_sides(old, new, options.tolerance)
    _check_name(out, both)
    seen = scan(both, options.min_area)
    cover = land_cover(both, seen)
    ground = common_ground(both, seen.unknown)
    layers, objects = [landcover_layer(both, cover)], []
    for kind in LAYERS.values():
        for table in kind.tables:
            if table.scores == "lines" and _on_both(both, table.name, kind.tables[0].name):
                layers.append(_roads(both, ground, table.name, kind.tables[0].name))
            elif table.scores and table.scores != "lines" and _on_both(both, table.name):
                layer, names = _objects(both, ground, table.name)
                layers.append(layer)
                objects.append(names)
    counts = {layer.name: _counted(layer) for layer in layers[1:]}
    found = Changes(both.old.name, both.new.name, both.tolerance, out, counts, cover)
    write_package(out, layers, cover, objects)
    write_page(both, found.said(), layers, cover, out.with_suffix(".html"))
    return found


def _check_name(out: Path, both: Both) -> None:
    """Refuse an output that is no GeoPackage, one of the inputs, or would be taken for a run's own."""
    if out.suffix.lower() != ".gpkg":
        raise UsageError(out, "is no name of a GeoPackage", "give -o NAME.gpkg")
    if out.resolve() in (both.old.features, both.new.features):
        raise UsageError(out, "is one of the files that are compared", "give another name")
    folder = out.resolve().parent
    its_own = folder == both.new.folder.resolve() and out.name == CHANGES_GPKG
    if (folder / NIGHT_JSON).is_file() and not its_own:
        raise UsageError(out, "would lie among the files of a published night", "give a place outside of it")
    if Run.lies_in(folder.parent) and folder == Run(folder.parent).out:
        raise UsageError(out, "would lie among the outputs of a run", "give a place outside of it")


def _on_both(both: Both, *names: str) -> bool:
    """Whether both sides have these layers; says so where only one has."""
    there = [side for side in (both.old, both.new) if set(names) <= set(side.layers())]
    if len(there) == 1:
        log.warning("only %s has the layer %s; it is not compared", there[0].folder, names[0])
    return len(there) == 2


def _objects(both: Both, ground: CommonGround, name: str) -> tuple[Layer, pandas.DataFrame]:
    """The changes of a layer of objects, and the names of NEW's."""
    frames = old, new = both.old.layer(name), both.new.layer(name)
    matches = match(old, new)
    before = first_names(both.old, name, old["id"])
    after = carried_over(both.new, new, before, matches)
    rows = object_rows(both, frames, (before, after), changed_objects(old, new, matches, ground))
    return objects_layer(name, rows), after.assign(layer=name)


def _roads(both: Both, ground: CommonGround, name: str, surface: str) -> Layer:
    """The changes of a layer of lines."""
    frames = old, new = both.old.layer(name), both.new.layer(name)
    added = stretches(new, both.old.layer(surface), ground, both.metre)
    removed = stretches(old, both.new.layer(surface), ground, both.metre)
    changes = [*(("added", *found) for found in added), *(("removed", *found) for found in removed)]
    return lines_layer(name, line_rows(both, frames, changes))


def _counted(layer: Layer) -> dict[str, int]:
    """How many changes of each kind."""
    numbers = Counter(layer.frame["change"])
    return {kind: numbers[kind] for kind in KINDS}
