"""The only door through which orthophotos are opened.

A data file alone can never make geoseg open another file or a connection: regular files that begin as TIFF, JPEG 2000,
PNG, JPEG or ERDAS Imagine, exactly that driver of GDAL, sidecars off, declared sizes checked before the first read. A
world file beside a sheet and a `.msk` are read by geoseg itself, through the same checks. Virtual rasters are opened
only where the user allows it, as a checked copy (`sheets.kinds.vrt`), and so are their sources; so are remote sheets,
whose bytes GDAL is given (`sheets.kinds.remote`).
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

import rasterio
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Interleaving, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from geoseg.errors import SheetError
from geoseg.geometry.ground import horizontal
from geoseg.plan import Header
from geoseg.sheets.kinds.addresses import is_remote
from geoseg.sheets.kinds.erdas import SIGNATURE, check_alone
from geoseg.sheets.kinds.jpeg2000 import check_complete, check_stream
from geoseg.sheets.kinds.remote import RemoteFile
from geoseg.sheets.kinds.size import check_size
from geoseg.sheets.kinds.vrt import checked_vrt, combined_stat, is_vrt, vrt_sources
from geoseg.sheets.kinds.world_file import read_world_file

__all__ = [
    "CODE_DTYPES",
    "DTYPES",
    "gdal_settings",
    "mask_path",
    "open_sheet",
    "read_header",
    "stat_key",
]

DTYPES = ("uint8", "int8", "uint16", "int16", "float32", "float64")
"""Data types of photos."""
CODE_DTYPES = (*DTYPES, "int32", "uint32")
"""Data types of rasters of codes: classes and labels."""

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
    if is_remote(path) or str(path).startswith("/vsi"):
        cure = "geoseg tile and run read https, s3, gs and az with --allow remote; elsewhere copy it here first"
        raise SheetError(path, "is a remote path, expected a file on disk", cure)
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
    driver = _driver_for(start)
    if not driver:
        what = f"is not a TIFF, JPEG 2000, PNG, JPEG or ERDAS Imagine file (it starts with {start[:4]!r})"
        raise SheetError(path, what, "convert it with gdal_translate -of GTiff")
    if driver in _CHECKS:
        _CHECKS[driver](path)
    return driver


def _driver_for(start: bytes) -> str:
    """GDAL's driver of files that begin so; "" for none."""
    return next((d for signature, d in _SIGNATURES.items() if start.startswith(signature)), "")


def _remote_driver(remote: RemoteFile) -> str:
    """GDAL's driver of a remote file: TIFF or JPEG 2000."""
    driver = _driver_for(remote.start)
    if driver not in ("GTiff", "JP2OpenJPEG"):
        what = f"is neither a TIFF nor a JPEG 2000 file (it starts with {remote.start[:4]!r}), as remote sheets must be"
        raise SheetError(remote.path, what, "convert it with gdal_translate -of COG")
    if driver == "JP2OpenJPEG":
        check_stream(remote.path, remote.opened(), remote.stat[0])
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
    path: Path,
    *,
    checked: bool = True,
    dtypes: tuple[str, ...] = DTYPES,
    virtual: str = "",
    remote: RemoteFile | None = None,
) -> Iterator[DatasetReader]:
    """Open one sheet. Read it under `gdal_settings` too.

    Args:
        path: the file.
        checked: False leaves out the limits of what it declares: for a look at the header only.
        dtypes: data types that it may have.
        virtual: the checked text of a virtual raster.
        remote: the bytes of a remote sheet, which stay open.

    Raises:
        SheetError: it cannot be opened, or GDAL fails while the caller reads inside the `with` block.
    """
    for source in vrt_sources(virtual) if virtual else ():
        _check_source(path, source)
    if remote is not None:
        name, driver, opener = path.name, _remote_driver(remote), remote.opener()
    else:
        name, driver, opener = virtual or str(path), "VRT" if virtual else _driver_of(path), None
    try:
        # The settings do not enclose the yield: sheets are closed in any order.
        with rasterio.Env(**gdal_settings()), warnings.catch_warnings():
            # `read_header` looks for a .tfw, and says so itself where there is none.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(name, driver=driver, opener=opener)
        with dataset:
            if checked:
                check_size(path, remote.stat[0] if remote else stat_key(path)[0], dataset, dtypes)
            yield dataset
    except RasterioError as error:
        reason = str(error.__cause__ or error).replace(name, path.name).replace(str(path), path.name)
        raise SheetError(path, f"cannot be read: {reason}", "the file may be cut short; copy it again") from error


def _mask_kind(path: Path, dataset: DatasetReader, *, alone: bool) -> str:
    """Which mask a sheet has: `Header.mask`. `alone`: nothing beside it is looked at."""
    if ColorInterp.alpha in dataset.colorinterp:
        return "alpha"
    flags = dataset.mask_flag_enums[0]
    if MaskFlags.per_dataset in flags and MaskFlags.nodata not in flags:
        return "internal"
    return "external" if not alone and mask_path(path).is_file() else "none"


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


def read_header(
    path: Path, *, codes: bool = False, folders: Sequence[str] | None = None, remote: RemoteFile | None = None
) -> Header:
    """Header of one sheet; with `codes` also that of a raster of classes or labels: with a colour table, or 32 bits.

    `folders`: where sources of virtual rasters may lie, besides their own folder; None: they are not allowed.
    `remote`: the bytes of a remote sheet, beside which nothing is looked for.

    Raises:
        SheetError: it cannot be opened, declares too much, is a palette image, or has an unusable geotransform.
    """
    virtual = "" if remote else _virtual(path, folders)
    with open_sheet(path, dtypes=CODE_DTYPES if codes else DTYPES, virtual=virtual, remote=remote) as dataset:
        if dataset.colorinterp[0] == ColorInterp.palette and not codes:
            what = "is a palette image, expected bands of brightness"
            raise SheetError(path, what, "expand it with gdal_translate -expand rgb")
        crs, mask = dataset.crs, _mask_kind(path, dataset, alone=remote is not None)
        transform, georeferenced = dataset.transform, not dataset.transform.is_identity
        if not georeferenced and not remote and (world := read_world_file(path)) is not None:
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
