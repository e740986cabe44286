"""geoseg tile --write-patches: every patch of a plan as a GeoTIFF, and the label patch beside it.

plan -> windows -> image patch, label patch -> run/patches/, run/patches/labels/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.classes import ISPRS, NODATA
from geoseg.commit import commit_bytes
from geoseg.datasets.label_colours import told_legend
from geoseg.datasets.label_raster import LabelRaster, check_labels, open_labels, read_codes
from geoseg.datasets.lay import Ground
from geoseg.datasets.legend import Legend
from geoseg.datasets.pairs import pair_labels
from geoseg.geometry.grid import overlap
from geoseg.gis.crop import crop_geotiff
from geoseg.plan import Plan, patch_windows, transform_of
from geoseg.runfolder.folder import Run
from geoseg.sheets.listing import find_sheets
from geoseg.sheets.photo import Photo, area_mask

__all__ = ["write_patches"]


def write_patches(run: Run | Path, labels: Path | None = None) -> tuple[int, int]:
    """Write all patches that hold data; returns (patches, label patches).

    Args:
        run: a planned run.
        labels: folder of label rasters, one for each sheet, found by name
            (`top_potsdam_2_10_RGB` <-> `top_potsdam_2_10_label`).

    Raises:
        UsageError: a sheet without a label, or with several.
        SheetError: a label that does not lie where its sheet lies, or with values that mean no class.
    """
    run = Run.of(run)
    plan = run.plan
    paired = None if labels is None else find_labels(plan, labels)
    images = masks = 0
    with _image_photo(plan) as photo:
        for row, col in patch_windows(plan):
            window = plan.lattice.window(row, col)
            image, valid = photo.read(window)
            valid &= area_mask(plan.area, plan.grid, window)
            if not valid.any():
                continue
            image[:, ~valid] = 0
            name = f"p_{row}_{col}.tif"
            commit_bytes(run.patches / name, crop_geotiff(plan.grid, window, image, valid))
            images += 1
            if paired is not None:
                values = np.where(valid, labels_in(plan, paired, window), np.uint8(NODATA))
                commit_bytes(run.patches / "labels" / name, crop_geotiff(plan.grid, window, values[None], None))
                masks += 1
    return images, masks


def _image_photo(plan: Plan) -> Photo:
    """The sheets, in the bands asked for, or in all but alpha."""
    bands: dict[str, tuple[int, ...]] = {}
    for sheet in plan.sheets:
        colours = tuple(i + 1 for i, meaning in enumerate(sheet.header.meanings) if meaning != "alpha")
        bands[sheet.path] = plan.bands or colours
    return Photo(plan, bands, width=2 * plan.lattice.patch)


@dataclass(frozen=True)
class SheetLabels:
    """The label raster of a sheet, laid as the sheet lies; `window` is the sheet's on the grid."""

    window: Window
    labels: LabelRaster
    legend: Legend


def find_labels(plan: Plan, folder: Path) -> list[SheetLabels]:
    """The label raster of each sheet, found by name.

    Raises:
        UsageError: a sheet without a label, or with several.
        SheetError: labels that do not lie where their sheet lies, or whose colours nobody named.
    """
    sheets = [Path(s.path) for s in plan.sheets]
    pairs = pair_labels(sheets, find_sheets([folder]), folder, option="a folder that holds only one of them")
    found = []
    for sheet in plan.sheets:
        header = sheet.header
        ground = Ground((header.height, header.width), sheet.crs, tuple(transform_of(header)[:6]))
        opened = open_labels(pairs[Path(sheet.path)])
        check_labels(opened, ground, Path(sheet.path).name)
        found.append(SheetLabels(sheet.window, opened.laid_as(ground), told_legend(opened, ISPRS)))
    return found


def labels_in(plan: Plan, sheets: list[SheetLabels], window: Window) -> Bytes:
    """Class values (H, W) of a window of the grid; where sheets overlap the first that says anything counts.

    Raises:
        SheetError: a label with values that mean no class.
    """
    grid = plan.grid
    shape = (int(window.height), int(window.width))
    ground = Ground(shape, grid.crs, tuple(grid.window_transform(window)[:6]))
    out = np.full(shape, NODATA, np.uint8)
    for one in sheets:
        if overlap(one.window, window) is not None:
            codes = read_codes(one.labels, one.legend, ground, Window(0, 0, window.width, window.height))
            out = np.where(out == NODATA, codes, out)
    return out
