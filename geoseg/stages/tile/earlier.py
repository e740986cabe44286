"""What an earlier plan of a run fixes: first values of options, and whether later ones agree with them."""

from __future__ import annotations

from dataclasses import replace

from geoseg.errors import UsageError
from geoseg.geometry.grid import Grid, same_crs
from geoseg.geometry.lattice import Lattice
from geoseg.options import TileOptions
from geoseg.plan import Plan
from geoseg.sheets.place import crs_name
from geoseg.stages.tile.grid import crs_wkt

__all__ = ["block_size_of", "check_same", "lattice_of"]


DEFAULT_LATTICE = Lattice(512, 128)


def check_same(options: TileOptions, earlier: Plan) -> None:
    """Refuse options that would change the grid, lattice or blocks of a run.

    Raises:
        UsageError: an option differs from the earlier plan.
    """
    old, grid = earlier.lattice, earlier.grid
    patch, overlap = options.patch_size or old.patch, options.overlap or str(old.overlap)
    asked = lattice_of(replace(options, patch_size=patch, overlap=overlap))
    lattice = f"{old.patch} px, overlap {old.overlap} px" if earlier.asked_lattice else "the network's own patches"
    same_lattice = earlier.asked_lattice and asked == replace(old, margin=0)
    same_gsd = options.gsd is None or abs(options.gsd / earlier.gsd - 1) <= 0.01
    same_anchor = options.anchor is None or _near_anchor(options.anchor, grid)
    same_place = not options.crs or same_crs(crs_wkt(options.crs), grid.crs)
    for name, given, same, planned in (
        ("--patch-size", options.patch_size, same_lattice, lattice),
        ("--overlap", options.overlap, same_lattice, lattice),
        ("--block-size", options.block_size, options.block_size == earlier.block, earlier.block),
        ("--gsd", options.gsd, same_gsd, f"{earlier.gsd:g}"),
        ("--anchor", options.anchor, same_anchor, f"{grid.x0:.2f},{grid.y0:.2f}"),
        ("--crs", options.crs, same_place, crs_name(grid.crs)),
    ):
        if given and not same:
            what = f"{given}, but this run was planned with {planned}"
            raise UsageError(name, what, "leave it out, name a new run folder, or --overwrite")


def _near_anchor(asked: tuple[float, float], grid: Grid) -> bool:
    """Whether an anchor is the grid's, up to the move to the nearest corner of a pixel."""
    return max(abs(asked[0] - grid.x0), abs(asked[1] - grid.y0)) <= 0.51 * max(grid.pixel, grid.pixel_y)


def block_size_of(size: int) -> int:
    """The side of a block in pixels.

    Raises:
        UsageError: it is no multiple of 16.
    """
    if size < 16 or size % 16:
        raise UsageError("--block-size", f"{size} px, expected a multiple of 16", "4096 is a good size")
    return size


def lattice_of(options: TileOptions) -> Lattice:
    """The lattice that the options ask for, without a margin.

    Raises:
        UsageError: an overlap that is no number, or does not fit the patch.
    """
    patch = DEFAULT_LATTICE.patch if options.patch_size is None else options.patch_size
    text = (options.overlap or "").strip()
    if not text:
        return Lattice(patch, patch // 4)
    try:
        pixels = round(patch * float(text[:-1]) / 100) if text.endswith("%") else int(text)
    except (ValueError, OverflowError) as error:
        what = f"{text!r} is not a number of pixels or per cent"
        raise UsageError("--overlap", what, "for instance 128 or 25%") from error
    return Lattice(patch, pixels)
