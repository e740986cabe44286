"""geoseg tile --write-patches: every patch of a plan as a GeoTIFF, and the label patch beside it.

plan -> windows -> image patch, label patch -> run/patches/, run/patches/labels/
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from rasterio.io import MemoryFile
from rasterio.windows import Window

from geoseg.arrays import Bytes, Image, Json, Valid
from geoseg.classes import ISPRS, NODATA
from geoseg.commit import commit_bytes
from geoseg.datasets.folders import stem_of
from geoseg.datasets.legend import cube_legend, decode, table_legend
from geoseg.errors import UsageError
from geoseg.plan import Plan, Sheet, patch_windows
from geoseg.runfolder.folder import Run
from geoseg.sheets.decoder import decoder
from geoseg.sheets.door import stat_key
from geoseg.sheets.listing import find_sheets
from geoseg.sheets.photo import Photo, area_mask

__all__ = ["decode_labels", "write_patches"]


def write_patches(run: Run | Path, labels: Path | None = None) -> tuple[int, int]:
    """Write all patches that hold data; returns (patches, label patches).

    Args:
        run: a planned run.
        labels: folder of label rasters, one for each sheet, found by name
            (`top_potsdam_2_10_RGB` <-> `top_potsdam_2_10_label`).

    Raises:
        UsageError: a sheet without a label, or a label of another size.
        SheetError: a label with values that mean no class.
    """
    run = Run.of(run)
    plan = run.plan
    paired = None if labels is None else _label_plan(plan, labels)
    images = masks = 0
    with _image_photo(plan) as photo, _label_photo(paired) as label_photo:
        for row, col in patch_windows(plan):
            window = plan.lattice.window(row, col)
            image, valid = photo.read(window)
            valid &= area_mask(plan.area, plan.grid, window)
            if not valid.any():
                continue
            image[:, ~valid] = 0
            name = f"p_{row}_{col}.tif"
            commit_bytes(run.patches / name, _geotiff(plan, window, image, valid))
            images += 1
            if label_photo is not None:
                colours, known = label_photo.read(window)
                values = decode_labels(colours, f"labels at patch {name}")
                values[~(known & valid)] = NODATA
                commit_bytes(run.patches / "labels" / name, _geotiff(plan, window, values[None], None))
                masks += 1
    return images, masks


def _image_photo(plan: Plan) -> Photo:
    """The sheets, in the bands asked for, or in all but alpha."""
    bands: dict[str, tuple[int, ...]] = {}
    for sheet in plan.sheets:
        colours = tuple(i + 1 for i, meaning in enumerate(sheet.header.meanings) if meaning != "alpha")
        bands[sheet.path] = plan.bands or colours
    return Photo(plan, bands, width=2 * plan.lattice.patch)


def _label_photo(plan: Plan | None) -> AbstractContextManager[Photo | None]:
    """The labels as a photo: colours, or class values; None where there are none."""
    if plan is None:
        return nullcontext()
    bands: dict[str, tuple[int, ...]] = {s.path: (1, 2, 3) if s.header.bands >= 3 else (1,) for s in plan.sheets}
    return Photo(plan, bands, width=2 * plan.lattice.patch)


def _label_plan(plan: Plan, labels: Path) -> Plan:
    """The plan with each sheet replaced by its label raster in the same place."""
    by_stem = {stem_of(p): p for p in find_sheets([labels])}
    found: list[Sheet] = []
    for sheet in plan.sheets:
        path = by_stem.get(stem_of(Path(sheet.path)))
        if path is None:
            cure = f"expected a name like {stem_of(Path(sheet.path))}_label.tif"
            raise UsageError(sheet.path, f"has no label in {labels}", cure)
        header = decoder().header(path)
        if (header.width, header.height) != (sheet.header.width, sheet.header.height):
            size = f"{sheet.header.width} x {sheet.header.height}"
            what = f"is {header.width} x {header.height} px, its sheet {size}"
            raise UsageError(path, what, "they must match pixel by pixel")
        if sheet.mode == "warped":
            what = "belongs to a sheet that is warped; labels cannot be"
            raise UsageError(path, what, "bring sheet and label onto the grid first")
        placed = replace(header, transform=sheet.header.transform, georeferenced=True)
        found.append(replace(sheet, path=str(path), stat=stat_key(path), header=placed))
    return replace(plan, sheets=tuple(found), nodata=())


def decode_labels(pixels: Image, subject: object) -> Bytes:
    """Class values (H, W) of ISPRS colours (3, H, W), each channel cut at 127, or of class values (1, H, W).

    Black (the ISPRS border) and magenta mean no class, and become 255.

    Raises:
        SheetError: a value that means no class.
    """
    return decode(pixels, table_legend(ISPRS) if len(pixels) == 1 else cube_legend(ISPRS), subject)


def _geotiff(plan: Plan, window: Window, bands: Image, valid: Valid | None) -> bytes:
    """A patch (C, H, W) as a GeoTIFF with a mask; without `valid` it is one of labels, whose no-data value is 255."""
    profile: Json = {
        "driver": "GTiff",
        "count": len(bands),
        "height": window.height,
        "width": window.width,
        "dtype": bands.dtype.name,
        "crs": plan.grid.crs,
        "transform": plan.grid.window_transform(window),
        "compress": "deflate",
        "predictor": 3 if bands.dtype.kind == "f" else 2 if valid is not None else 1,
        "nodata": NODATA if valid is None else None,
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(bands)
            if valid is not None and not valid.all():
                dataset.write_mask(valid)
        return bytes(memory.getbuffer())
