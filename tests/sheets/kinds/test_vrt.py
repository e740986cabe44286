"""Virtual rasters: what is read of them, and everything that they may try."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from corpus import VIRTUAL, spots
from support import write_sheet

from geoseg.errors import SheetError
from geoseg.sheets.door import open_sheet, read_header, stat_key
from geoseg.sheets.kinds.hfa import check_alone
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


@pytest.mark.parametrize("name", [b"ExternalRasterDMS\0", b"DEPENDENTfile\0"])
@pytest.mark.parametrize("at", [0, (8 << 20) - 9])
def test_an_imagine_file_that_names_others_is_refused(tmp_path: Path, name: bytes, at: int) -> None:
    """Also where the name lies across two parts of the file."""
    path = tmp_path / "a.img"
    path.write_bytes(b"EHFA_HEADER_TAG\0" + b"\0" * at + name)
    with pytest.raises(SheetError, match="keeps pixels in another file"):
        check_alone(path, stat_key(path))
    path.write_bytes(b"EHFA_HEADER_TAG\0" + b"\0" * at + name[:-1] + b",")
    check_alone(path, stat_key(path))
