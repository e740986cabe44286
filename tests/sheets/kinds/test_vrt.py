"""Virtual rasters: what is read of them, and everything that they may try."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from corpus import VIRTUAL, spots
from support import write_sheet

from geoseg.errors import SheetError
from geoseg.sheets.door import open_sheet, read_header, stat_key
from geoseg.sheets.kinds.vrt import checked_vrt, vrt_sources

PLACE = "<GeoTransform>367000, 0.1, 0, 5807000, 0, -0.1</GeoTransform>"
SOURCE = "<SimpleSource><SourceFilename relativeToVRT='1'>{}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
BAND = "<VRTRasterBand dataType='Byte' band='1'>{}</VRTRasterBand>"
DATASET = "<VRTDataset rasterXSize='8' rasterYSize='8'><SRS>EPSG:25833</SRS>" + PLACE + "{}</VRTDataset>"


def _vrt(folder: Path, text: str, name: str = "m.vrt") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def _naming(name: str) -> str:
    return DATASET.format(BAND.format(SOURCE.format(name)))


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    write_sheet(tmp_path / "in/a.tif", np.arange(64, dtype=np.uint8).reshape(8, 8))
    write_sheet(tmp_path / "out/secret.tif", np.full((8, 8), 7, np.uint8))
    (tmp_path / "out/passwd").write_text("root:x")
    (tmp_path / "in/link.tif").symlink_to(tmp_path / "out/secret.tif")
    return tmp_path / "in"


def test_a_plain_mosaic_is_read(inside: Path) -> None:
    notes = "<Metadata domain='xml:XMP' format='xml'><x/></Metadata><OverviewList>2</OverviewList>"
    path = _vrt(inside, _naming("a.tif").replace(PLACE, PLACE + notes))
    header = read_header(path, folders=[])
    assert "XMP" not in header.virtual
    assert vrt_sources(header.virtual) == [inside / "a.tif"]
    with open_sheet(path, virtual=header.virtual) as dataset:
        assert np.array_equal(dataset.read(1).ravel(), np.arange(64))
    with pytest.raises(SheetError, match="--allow vrt"):
        read_header(path)


def test_sources_lie_in_its_own_folder_or_in_one_that_was_named(inside: Path) -> None:
    path = _vrt(inside, _naming("../out/secret.tif"))
    with pytest.raises(SheetError, match=r"'\.\./out/secret\.tif', which lies outside its own folder"):
        checked_vrt(path, [])
    assert vrt_sources(checked_vrt(path, [str(inside.parent / "out")])) == [inside.parent / "out/secret.tif"]
    with pytest.raises(SheetError, match="lies outside"):
        checked_vrt(_vrt(inside, _naming("link.tif")), [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_naming("/vsicurl/http://127.0.0.1/a.tif"), "expected a file"),
        (_naming("/vsizip/a.zip/a.tif"), "lies outside|expected a file"),
        (_naming("https://example.com/a.tif"), "expected a file"),
        (_naming("GTIFF_DIR:1:a.tif"), "expected a file"),
        (_naming("&lt;VRTDataset/&gt;"), "expected a file"),
        (_naming(""), "expected a file"),
        (_naming("other.vrt"), "expected an image file"),
        (DATASET.format("<VRTRasterBand dataType='Byte' band='1' subClass='VRTDerivedRasterBand'/>"), "subClass"),
        (DATASET.format(BAND.format("<PixelFunctionLanguage>Python</PixelFunctionLanguage>")), "PixelFunctionLanguage"),
        (DATASET.format("<VRTRasterBand subClass='VRTRawRasterBand' dataType='Byte' band='1'/>"), "VRTRawRasterBand"),
        (DATASET.replace("<VRTDataset", "<VRTDataset subClass='VRTWarpedDataset'"), "subClass"),
        (DATASET.format(BAND.format("<KernelFilteredSource/>")), "KernelFilteredSource"),
        (DATASET.format(BAND.format("<SimpleSource><OpenOptions/></SimpleSource>")), "OpenOptions"),
        (DATASET.format("<GDALWarpOptions/>"), "GDALWarpOptions"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]>" + _naming("&a;"), "document type"),
        ("<VRTDataset rasterXSize='8'", "no virtual raster"),
        ("<html></html>", "<html>"),
        ("II*\0 is a TIFF", "no virtual raster"),
    ],
)
def test_what_is_refused(inside: Path, text: str, message: str) -> None:
    with pytest.raises(SheetError, match=message):
        read_header(_vrt(inside, text), folders=[])


@pytest.mark.parametrize("name", VIRTUAL)
def test_those_of_the_corpus_are_refused(tmp_path: Path, name: str) -> None:
    found = spots(tmp_path, "http://127.0.0.1:9")
    found["good"].write(compress="deflate")
    spot = next(s for key, s in found.items() if key != "good")
    spot.path.parent.mkdir(exist_ok=True)
    with pytest.raises(SheetError) as error:
        read_header(_vrt(spot.path.parent, VIRTUAL[name](spot)), folders=[])
    assert error.value.cure


@pytest.mark.parametrize("name", ["passwd.tif", "gone.tif"])
def test_sources_pass_the_same_door(inside: Path, name: str) -> None:
    """A text file with the name of an image; a file that is not there."""
    if name == "passwd.tif":
        (inside / name).write_text("root:x:0:0:root:/root:/bin/sh")
    with pytest.raises(SheetError, match=name):
        read_header(_vrt(inside, _naming(name)), folders=[])


def test_its_stat_is_that_of_all_its_files(inside: Path) -> None:
    path = _vrt(inside, _naming("a.tif"))
    before = stat_key(path)
    assert stat_key(path) == before
    write_sheet(inside / "a.tif", np.zeros((8, 8), np.uint8))
    assert stat_key(path) != before
    (inside / "a.tif").unlink()
    with pytest.raises(SheetError, match="cannot be found"):
        stat_key(path)


@pytest.mark.parametrize("start", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\x4f\xff\x51", b"EHFA_HEADER_TAG"])
def test_a_source_of_two_faces_is_refused(inside: Path, start: bytes) -> None:
    """GDAL would take it for another virtual raster, with sources that nobody has checked."""
    (inside / "a.jpg").write_bytes(start + _naming("../out/secret.tif").encode())
    with pytest.raises(SheetError, match=r"m\.vrt: names .*a\.jpg, which"):
        read_header(_vrt(inside, _naming("a.jpg")), folders=[])


@pytest.mark.parametrize("band", [1, 2])
def test_blocks_that_a_source_lacks_are_not_read_as_zero(inside: Path, band: int) -> None:
    facts = {
        "driver": "GTiff",
        "count": 2,
        "interleave": "band",
        "height": 64,
        "width": 64,
        "dtype": "uint8",
        "sparse_ok": True,
    }
    facts["transform"] = rasterio.Affine(0.1, 0, 367000, 0, -0.1, 5807000)
    with rasterio.open(inside / "s.tif", "w", **facts, tiled=True, blockxsize=32, blockysize=32) as dataset:
        dataset.write(np.ones((64, 64), np.uint8), 3 - band)
        dataset.write(np.ones((32, 32), np.uint8), band, window=((0, 32), (0, 32)))
    with pytest.raises(SheetError, match=r"m\.vrt: names .*s\.tif, which lacks blocks"):
        read_header(_vrt(inside, _naming("s.tif")), folders=[])


def test_another_encoding_hides_nothing(inside: Path) -> None:
    path = inside / "m.vrt"
    path.write_bytes(("<!DOCTYPE x [<!ENTITY a 'b'>]>" + _naming("a.tif")).encode("utf-16"))
    with pytest.raises(SheetError, match="no virtual raster"):
        read_header(path, folders=[])
