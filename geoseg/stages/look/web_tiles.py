"""The tiles of a run's web map: pictures of the ground, and tables of features."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyogrio

from geoseg.classes import Colour
from geoseg.errors import SheetError
from geoseg.gis.web_map.archive import new_archive
from geoseg.gis.web_map.mercator import Bounds, Placement
from geoseg.gis.web_map.pictures import CONFIDENCE_STEP, Kind, confidence_colours, distinct, paletted, photo
from geoseg.gis.web_map.pyramid import Pictures, Pyramid, write_tiles
from geoseg.gis.web_map.run_pixels import RunPixels
from geoseg.gis.web_map.vector_tiles import VectorTiles, write_vector_tiles
from geoseg.layers import tables
from geoseg.models.facts import NO_NETWORK
from geoseg.plan import megapixels, plan_blocks
from geoseg.progress import Steps
from geoseg.runfolder.blocks import BlockReader
from geoseg.runfolder.folder import Run
from geoseg.sheets.photo import Photo

__all__ = ["LANDCOVER", "REVIEW", "STEPS", "RunTiles", "run_tiles"]

STEPS = ("pictures", "layers", "page")
"""The steps of making a web map."""
LANDCOVER, REVIEW = "landcover", "review"
"""The table that is shown as a picture, and the one that is no row of `layers.LAYERS`."""


@dataclass(frozen=True)
class RunTiles:
    """What was written, and where it lies; `colours` of the classes in the pictures, in the order of their table."""

    placement: Placement
    box: Bounds
    zooms: tuple[int, int]
    pictures: tuple[str, ...]
    vectors: dict[str, VectorTiles]
    colours: tuple[Colour, ...]
    notes: tuple[str, ...]

    def archives(self, folder: Path) -> list[Path]:
        """The files."""
        return [folder / f"{name}.pmtiles" for name in (*self.pictures, *self.vectors)]


def run_tiles(run: Run, made: Path, steps: Steps) -> RunTiles:
    """Write all tiles of a run into a folder.

    Raises:
        PlanError: a block cannot be read.
        EnvironmentFault: the disk refuses a file.
    """
    plan = run.plan
    placement = Placement.of(plan.grid, plan.extent)
    packages = [file] if (file := run.feature_file) else []
    there = {str(n) for p in packages for n, _ in pyogrio.list_layers(p)}
    notes = [] if packages else ["The run has no feature layers."]
    if placement.local:
        notes.append("The photos lie nowhere that Web Mercator shows: coordinates are their own, without a scale.")
    colours = tuple(distinct([c.drawn for c in run.table.classes]))
    pictures, missing = _pictures(run, made, (placement, packages[0] if LANDCOVER in there else None), steps)
    first, last = placement.zooms(plan.extent)
    vectors: dict[str, VectorTiles] = {}
    wanted = [n for n in (*tables(), REVIEW) if n in there and n != LANDCOVER]
    for number, name in enumerate(wanted):
        steps.at("layers", number, len(wanted), "layers")
        tiles = made / f"{name}.pmtiles"
        if found := write_vector_tiles(tiles, packages[0], name, placement, (first, max(first, last - 1))):
            vectors[name] = found
    steps.at("page")
    box = placement.bounds(plan.extent)
    return RunTiles(placement, box, (first, last), pictures, vectors, colours, (*notes, *missing))


def _pictures(
    run: Run, made: Path, sources: tuple[Placement, Path | None], steps: Steps
) -> tuple[tuple[str, ...], list[str]]:
    """Write photo, land cover, classes and confidence; returns their names, and what is missing.

    Where the photo cannot be read, the tiles are made once more without it.
    """
    (placement, package), plan = sources, run.plan
    reader, values = BlockReader(run.blocks, plan, plan_blocks(plan)), tuple(c.value for c in run.table.classes)
    why = "It was made from a class raster: there is no photo." if run.job.facts.engine == NO_NETWORK else ""
    if not why:
        try:
            with Photo(plan, run.job.bands) as sheets:
                return _write(run, made, RunPixels(placement, plan.extent, reader, values, sheets, package), steps), []
        except SheetError as error:
            why = f"There is no photo: {error}"
            for path in made.glob("*.pmtiles"):
                path.unlink()
    return _write(run, made, RunPixels(placement, plan.extent, reader, values, None, package), steps), [why]


def _write(run: Run, made: Path, pixels: RunPixels, steps: Steps) -> tuple[str, ...]:
    """Write the pictures of a run; returns the names of those that have tiles, from the bottom up."""
    plan, table = run.plan, run.table
    first, last = pixels.placement.zooms(plan.extent)
    box = pixels.placement.bounds(plan.extent)
    colours: list[Colour] = [(0, 0, 0)] * 255
    for c, colour in zip(table.classes, distinct([c.drawn for c in table.classes]), strict=True):
        colours[c.value] = colour
    kinds: dict[str, Kind] = {"photo": photo()} if pixels.photo is not None else {}
    if pixels.package is not None:
        kinds[LANDCOVER] = paletted(colours, "mode")
    kinds |= {
        "classes": paletted(colours, "mode"),
        "confidence": paletted(confidence_colours(), "mean", CONFIDENCE_STEP),
    }
    share = [0, round(1_000_000 * megapixels(plan))]

    def source(box: Bounds, side: int) -> Pictures:
        made = pixels.pictures(box, side)
        window = pixels.window(box)
        share[0] += 0 if window is None else int(window.width * window.height)
        steps.at("pictures", min(share), share[1], "px")
        return made

    with ExitStack() as stack:
        archives = {
            name: stack.enter_context(new_archive(made / f"{name}.pmtiles", kind.suffix, box, name))
            for name, kind in kinds.items()
        }
        write_tiles(Pyramid(first, last, box, pixels.empty), source, kinds, archives)
    return tuple(name for name, archive in archives.items() if archive.tiles)
