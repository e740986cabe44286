"""GDAL's virtual rasters (.vrt), read only where the user allows it: a mosaic or choice of bands of files nearby.

What a .vrt says is checked word by word and written anew, and GDAL sees only that copy. So it can name no address, no
file elsewhere, no file of another kind, and bring no code along.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from geoseg.errors import SheetError

__all__ = ["checked_vrt", "combined_stat", "is_vrt", "vrt_sources"]

LARGEST = 32 << 20
"""Bytes of the text."""
DEEPEST = 12
_ATTRIBUTES = {
    "VRTDataset": {"rasterXSize", "rasterYSize"},
    "SRS": {"dataAxisToSRSAxisMapping"},
    "GeoTransform": set(),
    "VRTRasterBand": {"dataType", "band", "blockXSize", "blockYSize"},
    "ColorInterp": set(),
    "NoDataValue": set(),
    "HideNoDataValue": set(),
    "Description": set(),
    "UnitType": set(),
    "Offset": set(),
    "Scale": set(),
    "SimpleSource": {"resampling"},
    "ComplexSource": {"resampling"},
    "SourceFilename": {"relativeToVRT", "shared"},
    "SourceBand": set(),
    "SourceProperties": {"RasterXSize", "RasterYSize", "DataType", "BlockXSize", "BlockYSize"},
    "SrcRect": {"xOff", "yOff", "xSize", "ySize"},
    "DstRect": {"xOff", "yOff", "xSize", "ySize"},
    "NODATA": set(),
    "ScaleOffset": set(),
    "ScaleRatio": set(),
    "UseMaskBand": set(),
    "MaskBand": set(),
}
"""The elements of a mosaic and their attributes; what is not here (subclasses, pixel functions, options) is refused."""
_LEFT_OUT = {
    "BlockXSize",
    "BlockYSize",
    "CategoryNames",
    "GDALRasterAttributeTable",
    "Histograms",
    "Metadata",
    "OverviewList",
}
"""Elements that only make reading faster, or that nobody needs here."""


def is_vrt(path: Path) -> bool:
    """Whether a path is named like a virtual raster."""
    return path.suffix.lower() == ".vrt"


def checked_vrt(path: Path, folders: Sequence[str]) -> str:
    """The text of a .vrt, written anew with the absolute paths of its sources.

    Args:
        path: the file.
        folders: where its sources may lie, besides its own folder.

    Raises:
        SheetError: it holds anything but bands of files that lie in one of these folders.
    """
    root = _parsed(path)
    places = [os.path.realpath(p) for p in (str(path.parent), *folders)]
    _check(path, root, 0)
    for source in root.iter("SourceFilename"):
        source.text = _source(path, source, places)
        source.set("relativeToVRT", "0")
    return ElementTree.tostring(root, encoding="unicode")


def vrt_sources(text: str) -> list[Path]:
    """The files that a checked text names, each once."""
    return list(dict.fromkeys(Path(s.text or "") for s in ElementTree.fromstring(text).iter("SourceFilename")))


def combined_stat(path: Path) -> tuple[int, int]:
    """(bytes, number) of a .vrt and of all files that it names: another pair where any of them was written again.

    Raises:
        SheetError: it cannot be read.
        OSError: a file is not there.
    """
    root = _parsed(path)
    names = dict.fromkeys(_named(path, s) for s in root.iter("SourceFilename"))
    facts = [(f.st_size, f.st_mtime_ns) for f in (os.stat(p) for p in (path, *names))]
    mixed = hashlib.sha256(repr(facts).encode()).digest()[:7]
    return sum(size for size, _ in facts), int.from_bytes(mixed, "big")


def _parsed(path: Path) -> Element:
    """The elements of the file.

    Raises:
        SheetError: it is too large, no XML, or declares entities.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise SheetError(path, "is larger than any virtual raster should be", "look at it")
        data = path.read_bytes()
    except OSError as error:
        raise SheetError(path, f"cannot be read: {error.strerror}", "check the path") from error
    try:
        text = data.decode("utf-8-sig")  # another encoding would hide words from the next line
        if "<!" in text.replace("<!--", "").replace("<![CDATA[", ""):  # document types declare entities
            raise SheetError(path, "declares a document type, which no virtual raster does", "do not use it")
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise SheetError(path, f"is no virtual raster of GDAL: {error}", "make it again with gdalbuildvrt") from error
    if root.tag != "VRTDataset":
        raise SheetError(path, f"is no virtual raster of GDAL but <{root.tag}>", "make it again with gdalbuildvrt")
    return root


def _check(path: Path, element: Element, depth: int) -> None:
    """Refuse elements and attributes that a plain mosaic does not have; drop those that nobody needs."""
    known = _ATTRIBUTES.get(element.tag)
    odd = None if known is None else next((a for a in element.attrib if a not in known), None)
    if known is None or odd is not None or depth > DEEPEST:
        what = f"<{element.tag}>" if odd is None else f"{odd}={element.attrib[odd]!r:.60} of <{element.tag}>"
        cure = "make a plain mosaic with gdalbuildvrt, or a GeoTIFF with gdal_translate"
        raise SheetError(path, f"holds {what}, which is not read from virtual rasters", cure)
    for child in list(element):
        if child.tag in _LEFT_OUT:
            element.remove(child)
        else:
            _check(path, child, depth + 1)


def _named(path: Path, source: Element) -> Path:
    """The path that a source means."""
    name = (source.text or "").strip()
    return path.parent / name if source.get("relativeToVRT") == "1" else Path(name).absolute()


def _source(path: Path, source: Element, places: Sequence[str]) -> str:
    """The absolute path of a source.

    Raises:
        SheetError: it is an address, another virtual raster, or lies elsewhere.
    """
    name = (source.text or "").strip()
    if not name or name.startswith("<") or ":" in name or name.startswith("/vsi"):
        raise SheetError(path, f"names {name!r:.100}, expected a file", "name files on disk, without colons")
    real = os.path.realpath(_named(path, source))
    if ":" in real or is_vrt(Path(real)):
        raise SheetError(path, f"names {name!r:.100}, expected an image file", "name GeoTIFF files, no other .vrt")
    if not any(os.path.commonpath([real, place]) == place for place in places):
        what = f"names {name!r:.200}, which lies outside its own folder"
        raise SheetError(path, what, "keep both in one folder, or name that folder among the SHEETS, too")
    return real
