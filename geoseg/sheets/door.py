"""The only door through which orthophotos are opened.

A data file alone can never make geoseg open another file or a connection: regular files that begin as TIFF, JPEG 2000,
PNG, JPEG or ERDAS Imagine, exactly that driver of GDAL, sidecars off, declared sizes checked before the first read. A
world file beside a sheet and a `.msk` are read by geoseg itself, through the same checks. Virtual rasters are opened
only where the user allows it, as a checked copy (`sheets.kinds.vrt`), and so are their sources.
"""

from __future__ import annotations

import math
import os
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Interleaving, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.transform import Affine

from geoseg.errors import SheetError
from geoseg.geometry.ground import horizontal
from geoseg.plan import Header
from geoseg.sheets.kinds.erdas import SIGNATURE, check_alone
from geoseg.sheets.kinds.jpeg2000 import check_complete
from geoseg.sheets.kinds.vrt import checked_vrt, combined_stat, is_vrt, vrt_sources

__all__ = [
    "CODE_DTYPES",
    "DTYPES",
    "gdal_settings",
    "mask_path",
    "open_sheet",
    "read_header",
    "stat_key",
    "world_files",
]

DTYPES = ("uint8", "int8", "uint16", "int16", "float32", "float64")
"""Data types of photos."""
CODE_DTYPES = (*DTYPES, "int32", "uint32")
"""Data types of rasters of codes: classes and labels."""
MOST_BANDS = 32
LARGEST_BLOCK = 512 << 20
"""Bytes of one decoded block."""
LARGEST_SIDE = 2_000_000
"""Pixels of one side."""
LARGE = 16 << 30
"""Bytes of pixels from which on a sheet must not expand too much."""
MOST_EXPANSION = 2_000
"""Decoded bytes per byte of file: an empty DEFLATE tile reaches about 1000."""

_SIGNATURES = {
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "GTiff"),
    b"\0\0\0\x0cjP  \r\n\x87\n": "JP2OpenJPEG",
    b"\xff\x4f\xff\x51": "JP2OpenJPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    SIGNATURE: "HFA",
}
"""How files begin, and which of GDAL's drivers reads them: none of these opens a second file, once it is checked."""
_CHECKS = {"JP2OpenJPEG": check_complete, "HFA": check_alone}
"""What is looked at before GDAL sees a file."""
_REMOTE = ("/vsi", "http:", "https:", "s3:", "gs:", "az:")


def gdal_settings(cache_bytes: int | None = None) -> dict[str, str | int]:
    """GDAL's options for sheets; set them with `rasterio.Env` around opening and around reading."""
    settings: dict[str, str | int] = {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_PAM_ENABLED": "NO",
        "GDAL_NUM_THREADS": "1",
        "GDAL_GEOREF_SOURCES": "INTERNAL",
        "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",
    }
    if cache_bytes is not None:
        settings["GDAL_CACHEMAX"] = max(cache_bytes, 16 << 20)
    return settings


def mask_path(path: Path) -> Path:
    """The external mask of a sheet, whether there is one or not."""
    return path.with_name(path.name + ".msk")


def stat_key(path: Path) -> tuple[int, int]:
    """(bytes, nanoseconds of the last change) of a file; another pair means that it was written again.

    Of a virtual raster: those of all files that it names.

    Raises:
        SheetError: the file is not there.
    """
    try:
        if is_vrt(path):
            return combined_stat(path)
        facts = path.stat()
    except OSError as error:
        raise SheetError(path, f"cannot be found: {error.strerror}", "check the path") from error
    return facts.st_size, facts.st_mtime_ns


def _driver_of(path: Path) -> str:
    """GDAL's driver of a file; refuses what is not a regular file of a known kind, before GDAL sees it."""
    if str(path).startswith(_REMOTE):
        raise SheetError(path, "is a remote path, expected a file on disk", "copy it here first")
    try:
        facts = os.stat(path)
        if not stat.S_ISREG(facts.st_mode):
            raise SheetError(path, "is not a regular file", "name GeoTIFF files")
        with open(path, "rb") as file:
            start = file.read(12)
    except OSError as error:
        raise SheetError(path, f"cannot be opened: {error.strerror}", "check the path and its permissions") from error
    if facts.st_size == 0:
        raise SheetError(path, "is empty (0 bytes)", "copy it again")
    driver = next((d for signature, d in _SIGNATURES.items() if start.startswith(signature)), "")
    if not driver:
        what = f"is not a TIFF, JPEG 2000, PNG, JPEG or ERDAS Imagine file (it starts with {start[:4]!r})"
        raise SheetError(path, what, "convert it with gdal_translate -of GTiff")
    if driver in _CHECKS:
        _CHECKS[driver](path)
    return driver


def _virtual(path: Path, folders: Sequence[str] | None) -> str:
    """The checked text of a virtual raster; "" for any other file.

    Raises:
        SheetError: virtual rasters are not allowed, or this one may not be read.
    """
    if not is_vrt(path):
        return ""
    if folders is None:
        cure = "geoseg tile and run read it with --allow vrt; elsewhere make one file of it with gdal_translate"
        raise SheetError(path, "is a virtual raster, which names other files", cure)
    return checked_vrt(path, folders)


def _check_source(path: Path, source: Path) -> None:
    """Check a file that the virtual raster `path` names, which GDAL opens with whatever driver fits it.

    TIFF and JPEG 2000 files have zeros among their first bytes: no driver that looks for words takes them for its own.

    Raises:
        SheetError: it is of another kind, damaged, or lacks blocks, which would be read as 0; names the virtual raster.
    """
    try:
        driver = _driver_of(source)
        with source.open("rb") as file:
            if driver not in ("GTiff", "JP2OpenJPEG") or b"\0" not in file.read(8):
                raise SheetError(source, "is neither a TIFF nor a JPEG 2000 file in its box", "convert it")
        with rasterio.Env(GDAL_ENABLE_TIFF_SPLIT="NO"), open_sheet(source) as dataset:
            rows, cols = dataset.block_shapes[0]
            bands = dataset.indexes if dataset.interleaving == Interleaving.band else dataset.indexes[:1]
            blocks = product(bands, range(-(-dataset.height // rows)), range(-(-dataset.width // cols)))
            tags = (dataset.get_tag_item(f"BLOCK_OFFSET_{c}_{r}", "TIFF", bidx=b) for b, r, c in blocks)
            if driver == "GTiff" and dataset.nodata is None and any(t in (None, "0") for t in tags):
                raise SheetError(source, "lacks blocks, which would be read as 0", "write it without SPARSE_OK")
    except SheetError as error:
        raise SheetError(path, f"names {source}, which {error.what}", error.cure) from error


@contextmanager
def open_sheet(
    path: Path, *, checked: bool = True, dtypes: tuple[str, ...] = DTYPES, virtual: str = ""
) -> Iterator[DatasetReader]:
    """Open one sheet. Read it under `gdal_settings` too.

    Args:
        path: the file.
        checked: False leaves out the limits of what it declares: for a look at the header only.
        dtypes: data types that it may have.
        virtual: the checked text of a virtual raster.

    Raises:
        SheetError: it cannot be opened, or GDAL fails while the caller reads inside the `with` block.
    """
    for source in vrt_sources(virtual) if virtual else ():
        _check_source(path, source)
    name, driver = (virtual, "VRT") if virtual else (str(path), _driver_of(path))
    try:
        # The settings do not enclose the yield: sheets are closed in any order.
        with rasterio.Env(**gdal_settings()), warnings.catch_warnings():
            # `read_header` looks for a .tfw, and says so itself where there is none.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(name, driver=driver)
        with dataset:
            if checked:
                _check_size(path, dataset, dtypes)
            yield dataset
    except RasterioError as error:
        reason = str(error.__cause__ or error).replace(name, path.name).replace(str(path), path.name)
        raise SheetError(path, f"cannot be read: {reason}", "the file may be cut short; copy it again") from error


def _check_size(path: Path, dataset: DatasetReader, dtypes: tuple[str, ...]) -> None:
    """Refuse a sheet that declares more than geoseg reads, before its pixels take memory.

    Raises:
        SheetError: too many bands, too large a side or block, an unknown data type, or too many pixels for the file.
    """
    if dataset.count > MOST_BANDS:
        what = f"declares {dataset.count} bands, expected at most {MOST_BANDS}"
        raise SheetError(path, what, "pick bands with gdal_translate -b")
    if max(dataset.width, dataset.height) > LARGEST_SIDE:
        what = f"declares {dataset.width} x {dataset.height} px, expected sides up to {LARGEST_SIDE}"
        raise SheetError(path, what, "cut it")
    if any(dtype not in dtypes for dtype in dataset.dtypes):
        what = f"has data type {dataset.dtypes[0]}, expected one of {', '.join(dtypes)}"
        raise SheetError(path, what, "convert it with gdal_translate -ot")
    rows, cols = dataset.block_shapes[0]
    width = np.dtype(dataset.dtypes[0]).itemsize
    planes = dataset.count if dataset.profile.get("interleave") == "pixel" else 1
    size = rows * cols * width * planes
    if size > LARGEST_BLOCK:
        what = f"has blocks of {cols} x {rows} px ({size >> 20} MiB decoded), expected up to {LARGEST_BLOCK >> 20} MiB"
        raise SheetError(path, what, "rewrite it with gdal_translate -co TILED=YES")
    declared, actual = dataset.width * dataset.height * dataset.count * width, stat_key(path)[0]
    if declared > LARGE and declared > MOST_EXPANSION * actual:
        what = f"declares {declared:,} bytes of pixels in a file of {actual:,}"
        raise SheetError(path, what, "it looks damaged or hostile")


def world_files(path: Path) -> list[Path]:
    """The names that a world file of a raster may have: for `a.png` they are a.pgw, a.pngw and a.wld."""
    kind = path.suffix.lower().lstrip(".").replace("tiff", "tif").replace("jpeg", "jpg")
    short = f".{kind[:1]}{kind[-1:]}w"
    return [path.with_suffix(s) for s in (short, short.upper(), f".{kind}w", f".{kind}w".upper(), ".wld")]


def _world_file(path: Path) -> Affine | None:
    """Six numbers of the world file beside a sheet; they give the centre of the upper left pixel."""
    for beside in world_files(path):
        if not beside.is_file() or beside.stat().st_size > 4096:
            continue
        try:
            a, d, b, e, c, f = (float(v.replace(",", ".")) for v in beside.read_text("ascii").split())
        except ValueError as error:
            raise SheetError(beside, "is not a world file of six numbers", "correct or delete it") from error
        return Affine(a, b, c, d, e, f) @ Affine.translation(-0.5, -0.5)
    return None


def _mask_kind(path: Path, dataset: DatasetReader) -> str:
    """Which mask a sheet has: `Header.mask`."""
    if ColorInterp.alpha in dataset.colorinterp:
        return "alpha"
    flags = dataset.mask_flag_enums[0]
    if MaskFlags.per_dataset in flags and MaskFlags.nodata not in flags:
        return "internal"
    return "external" if mask_path(path).is_file() else "none"


def _check_rectified(path: Path, dataset: DatasetReader) -> None:
    """Refuse a photo that has no geotransform but ground control points or RPCs: its pixels lie on no grid yet."""
    points = len(dataset.gcps[0])
    if points or dataset.tags(ns="RPC"):
        found = f"{points} ground control points" if points else "rational polynomials (RPC)"
        what = f"has no geotransform but {found}: it is not rectified"
        raise SheetError(path, what, "rectify it first: gdalwarp -t_srs EPSG:... IN.tif OUT.tif")


def _wkt(crs: CRS | None) -> str:
    """A CRS as text; "" where there is none, or none that GDAL can write down."""
    try:
        return str(crs.to_wkt()) if crs else ""
    except RasterioError:
        return ""


def _band_names(dataset: DatasetReader) -> tuple[str, ...]:
    """What the file calls each band; () where it names none."""
    names = tuple("".join(c for c in (name or "")[:60] if c.isprintable()) for name in dataset.descriptions)
    return names if any(names) else ()


def read_header(path: Path, *, codes: bool = False, folders: Sequence[str] | None = None) -> Header:
    """Header of one sheet; with `codes` also that of a raster of classes or labels: with a colour table, or 32 bits.

    `folders`: where sources of virtual rasters may lie, besides their own folder; None: they are not allowed.

    Raises:
        SheetError: it cannot be opened, declares too much, is a palette image, or has an unusable geotransform.
    """
    virtual = _virtual(path, folders)
    with open_sheet(path, dtypes=CODE_DTYPES if codes else DTYPES, virtual=virtual) as dataset:
        if dataset.colorinterp[0] == ColorInterp.palette and not codes:
            what = "is a palette image, expected bands of brightness"
            raise SheetError(path, what, "expand it with gdal_translate -expand rgb")
        crs, mask = dataset.crs, _mask_kind(path, dataset)
        transform, georeferenced = dataset.transform, not dataset.transform.is_identity
        if not georeferenced and (world := _world_file(path)) is not None:
            transform, georeferenced = world, True
        if not georeferenced:
            _check_rectified(path, dataset)
        if not all(math.isfinite(v) for v in transform[:6]) or transform.determinant == 0:
            what = f"has an unusable geotransform {tuple(transform)[:6]}"
            raise SheetError(path, what, "repair it with gdal_edit -a_ullr")
        return Header(
            width=dataset.width,
            height=dataset.height,
            bands=dataset.count,
            dtype=dataset.dtypes[0],
            crs=horizontal(_wkt(crs)),
            transform=tuple(transform)[:6],
            georeferenced=georeferenced,
            nodata=dataset.nodata,
            meanings=tuple(c.name for c in dataset.colorinterp),
            mask=mask,
            block=dataset.block_shapes[0],
            mask_stat=stat_key(mask_path(path)) if mask == "external" else None,
            names=_band_names(dataset),
            virtual=virtual,
        )
