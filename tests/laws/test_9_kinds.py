"""The laws of identity, partition and sheet cuts hold for every kind of file that sheets come in."""

from __future__ import annotations

from pathlib import Path

import layouts
import numpy as np
import pytest
import rasterio
from fakes import BandNetwork, save_network
from rasterio.transform import Affine
from servers import serve
from support import CRS, PLACE, block_hashes, class_raster, moved, write_sheet

from geoseg.errors import UsageError
from geoseg.options import InferOptions, TileOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.look.verify import verify
from geoseg.stages.look.view import view
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile

TRUTH = layouts.patchwork(np.random.default_rng(6), (150, 210), cell=13)
PHOTO = np.repeat(20 + 40 * TRUTH[None], 3, 0).astype(np.uint8)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("m") / "truth.pt"
    return save_network(path, BandNetwork(), mean=[20.0] * 3, std=[40.0] * 3)


def _world_file(path: Path, col: int) -> None:
    place = moved(PLACE, col, 0)
    x, y = place @ (0.5, 0.5)
    path.write_text(f"{place.a}\n0\n0\n{place.e}\n{x!r}\n{y!r}\n")


def _write(kind: str, path: Path, pixels: np.ndarray, col: int) -> Path:
    """A sheet of a kind, from a column of the photo on, without loss but for JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "tif":
        return write_sheet(path.with_suffix(".tif"), pixels, place=moved(PLACE, col, 0))
    facts = {"count": 3, "height": pixels.shape[1], "width": pixels.shape[2], "dtype": "uint8"}
    if kind == "jp2":
        lossless = {"QUALITY": "100", "REVERSIBLE": "YES"}
        place = {"crs": CRS, "transform": moved(PLACE, col, 0)}
        with rasterio.open(path.with_suffix(".jp2"), "w", driver="JP2OpenJPEG", **facts, **place, **lossless) as d:
            d.write(pixels)
        return path.with_suffix(".jp2")
    if kind == "img":
        place = {"crs": CRS, "transform": moved(PLACE, col, 0)}
        with rasterio.open(path.with_suffix(".img"), "w", driver="HFA", **facts, **place, COMPRESSED="YES") as d:
            d.write(pixels)
        return path.with_suffix(".img")
    from PIL import Image

    path = path.with_suffix(f".{kind}")
    best = {"quality": 100, "subsampling": 0} if kind == "jpg" else {}
    Image.fromarray(pixels.transpose(1, 2, 0)).save(path, **best)
    _world_file(path.with_suffix({"png": ".pgw", "jpg": ".jgw"}[kind]), col)
    return path


def _classes(folder: Path, run: Path, network: Path, block: int = 64, allow: tuple[str, ...] = ()) -> np.ndarray:
    tile([folder], run, TileOptions(block_size=block, crs=CRS, nodata=(), allow=allow))
    infer(run, InferOptions(model=(network,), engine="torch"))
    mosaic(run)
    return class_raster(run)[0]


@pytest.mark.parametrize("kind", ["tif", "jp2", "img", "png", "jpg"])
def test_every_kind_of_sheet_gives_the_truth_back(tmp_path: Path, network: Path, kind: str) -> None:
    """In one sheet, in two that overlap, and in blocks of another size."""
    _write(kind, tmp_path / "one/a", PHOTO, 0)
    _write(kind, tmp_path / "two/a", PHOTO[:, :, :120], 0)
    _write(kind, tmp_path / "two/b", PHOTO[:, :, 100:], 100)
    whole = _classes(tmp_path / "one", tmp_path / "run", network)
    wrong = float((whole != TRUTH).mean())
    assert wrong == 0 if kind != "jpg" else wrong < 0.02
    if kind != "jpg":
        assert np.array_equal(_classes(tmp_path / "two", tmp_path / "run2", network), TRUTH)
        assert np.array_equal(_classes(tmp_path / "one", tmp_path / "run3", network, 128), TRUTH)


def _mosaic(path: Path, sources: list[tuple[str, int, int]], high: int = 150, wide: int = 210) -> Path:
    """A virtual raster as gdalbuildvrt writes it: sources with their first column and width."""
    a, b, c, d, e, f = tuple(PLACE)[:6]
    bands = "".join(
        f"<VRTRasterBand dataType='Byte' band='{band}'><ColorInterp>{colour}</ColorInterp>"
        + "".join(
            f"<SimpleSource><SourceFilename relativeToVRT='1'>{name}</SourceFilename><SourceBand>{band}</SourceBand>"
            f"<SourceProperties RasterXSize='{width}' RasterYSize='{high}' DataType='Byte' BlockXSize='{width}' "
            f"BlockYSize='1'/><SrcRect xOff='0' yOff='0' xSize='{width}' ySize='{high}'/>"
            f"<DstRect xOff='{col}' yOff='0' xSize='{width}' ySize='{high}'/></SimpleSource>"
            for name, col, width in sources
        )
        + "</VRTRasterBand>"
        for band, colour in ((1, "Red"), (2, "Green"), (3, "Blue"))
    )
    srs = "<SRS dataAxisToSRSAxisMapping='1,2'>EPSG:25833</SRS>"
    place = f"<GeoTransform>{c}, {a}, {b}, {f}, {d}, {e}</GeoTransform>"
    head = f"<VRTDataset rasterXSize='{wide}' rasterYSize='{high}'>"
    path.write_text(f"{head}{srs}{place}{bands}<BlockXSize>64</BlockXSize></VRTDataset>")
    return path


def test_a_virtual_raster_gives_the_truth_back_where_it_is_allowed(tmp_path: Path, network: Path) -> None:
    """A mosaic of a TIFF and a JPEG 2000 file; a source that is written again makes its blocks stale."""
    _write("tif", tmp_path / "in/a", PHOTO[:, :, :120], 0)
    _write("jp2", tmp_path / "in/b", PHOTO[:, :, 100:], 100)
    path = _mosaic(tmp_path / "in/all.vrt", [("a.tif", 0, 120), ("b.jp2", 100, 110)])
    with pytest.raises(UsageError, match=r"names other files.*--allow vrt"):
        tile([path], tmp_path / "no")
    run = tmp_path / "run"
    assert np.array_equal(_classes(path, run, network, allow=("vrt",)), TRUTH)
    assert np.array_equal(_classes(path, tmp_path / "run2", network, 128, allow=("vrt",)), TRUTH)
    options = TileOptions(block_size=64, crs=CRS, nodata=(), allow=("vrt",))
    assert tile([path], run, options).plan == Run(run).plan
    changed = PHOTO.copy()
    changed[:, 3, 205] = 20 + 40 * ((TRUTH[3, 205] + 1) % 6)
    _write("jp2", tmp_path / "in/b", changed[:, :, 100:], 100)
    tile([path], run, options)
    assert infer(run, InferOptions(model=(network,), engine="torch")).computed > 0
    mosaic(run)
    assert np.argwhere(class_raster(run)[0] != TRUTH).tolist() == [[3, 205]]


def test_remote_sheets_give_the_truth_back_where_they_are_allowed(tmp_path: Path, network: Path) -> None:
    """In one sheet, and in two that overlap in blocks of another size; a changed one makes its blocks stale."""
    _write("tif", tmp_path / "there/all", PHOTO, 0)
    _write("tif", tmp_path / "there/a", PHOTO[:, :, :120], 0)
    _write("jp2", tmp_path / "there/b", PHOTO[:, :, 100:], 100)
    options = TileOptions(block_size=64, nodata=(), allow=("remote",))
    with serve(tmp_path / "there") as server:
        whole, *pair = (Path(f"{server.url}/{name}") for name in ("all.tif", "a.tif", "b.jp2"))
        with pytest.raises(UsageError, match=r"is a remote path.*--allow remote"):
            tile([whole], tmp_path / "no")
        assert server.asked == []
        run, local = tmp_path / "run", tmp_path / "local"
        assert np.array_equal(_classes(whole, run, network, allow=("remote",)), TRUTH)
        assert np.array_equal(_classes(tmp_path / "there/all.tif", local, network), TRUTH)
        assert [s.header for s in Run(run).plan.sheets] == [s.header for s in Run(local).plan.sheets]
        assert block_hashes(run) == block_hashes(local)
        tile([whole], run, options)
        assert infer(run, InferOptions(model=(network,), engine="torch")).computed == 0
        assert verify(run).faults == ()
        assert view(run, tmp_path / "look.png").stat().st_size > 1000
        (item,) = (run / "out").glob("*.stac.json")
        assert f'"href": "{server.url}/all.tif"' in item.read_text()

        two = tmp_path / "two"
        listed = tmp_path / "sheets.txt"
        listed.write_text("\n".join(f"{server.url}/{p.name}" for p in pair))
        assert np.array_equal(_classes(listed, two, network, 128, allow=("remote", "vrt")), TRUTH)
        changed = PHOTO.copy()
        changed[:, 3, 205] = 20 + 40 * ((TRUTH[3, 205] + 1) % 6)
        _write("jp2", tmp_path / "there/b", changed[:, :, 100:], 100)
        tile(pair, two, TileOptions(block_size=128, nodata=(), allow=("remote",)))
        assert infer(two, InferOptions(model=(network,), engine="torch")).computed > 0
        mosaic(two)
        assert np.argwhere(class_raster(two)[0] != TRUTH).tolist() == [[3, 205]]


def test_a_remote_sheet_that_changes_after_tile_is_planned_anew(tmp_path: Path, network: Path) -> None:
    """Without another `tile`: `infer` looks before the first read."""
    _write("tif", tmp_path / "there/all", PHOTO, 0)
    with serve(tmp_path / "there") as server:
        run = tmp_path / "run"
        tile([Path(f"{server.url}/all.tif")], run, TileOptions(block_size=64, nodata=(), allow=("remote",)))
        changed = PHOTO.copy()
        changed[:, 3, 205] = 20 + 40 * ((TRUTH[3, 205] + 1) % 6)
        _write("tif", tmp_path / "there/all", changed, 0)
        infer(run, InferOptions(model=(network,), engine="torch"))
        mosaic(run)
    assert Run(run).plan.revision == 2
    assert np.argwhere(class_raster(run)[0] != TRUTH).tolist() == [[3, 205]]


def test_a_server_that_is_away_costs_its_sheet_until_it_is_back(tmp_path: Path, network: Path) -> None:
    """The rest goes on; the next `tile` takes the sheet up again by itself, and only its blocks are computed."""
    _write("tif", tmp_path / "there/a", PHOTO[:, :, :140], 0)
    here = _write("tif", tmp_path / "here/b", PHOTO[:, :, 140:], 140)
    options = TileOptions(block_size=64, nodata=(), allow=("remote",))
    model = InferOptions(model=(network,), engine="torch")
    run = tmp_path / "run"
    with serve(tmp_path / "there") as server:
        sheets = [Path(f"{server.url}/a.tif"), here]
        tile(sheets, run, options)
        server.misbehave = lambda handler, *_: handler.status(503)
        infer(run, model)
        (lost,) = Run(run).plan.quarantined
        assert "status 503" in lost.reason
        assert lost.stat is None
        server.misbehave = None
        tile(sheets, run, options)
        assert Run(run).plan.quarantined == ()
        infer(run, model)
        mosaic(run)
    assert np.array_equal(class_raster(run)[0], TRUTH)


UNEQUAL = Affine(0.1, 0, PLACE.c, 0, -0.1003, PLACE.f)
"""Pixels that are three in a thousand higher than wide, as photos of drones often have them."""


@pytest.mark.parametrize("south_up", [False, True])
def test_pixels_that_are_not_quite_square_are_kept(tmp_path: Path, network: Path, south_up: bool) -> None:
    """The same law: one sheet, or two that overlap in other blocks; sizes, places and areas are those of the file."""
    for name, cut in (("one/a", slice(0, 210)), ("two/a", slice(0, 120)), ("two/b", slice(100, 210))):
        place, pixels = UNEQUAL @ Affine.translation(cut.start, 0), PHOTO[:, :, cut]
        if south_up:
            place, pixels = place @ Affine(1, 0, 0, 0, -1, pixels.shape[1]), pixels[:, ::-1]
        write_sheet(tmp_path / f"{name}.tif", pixels, place=place)
    for name, block in (("one", 64), ("two", 128)):
        assert np.array_equal(_classes(tmp_path / name, tmp_path / f"run-{name}", network, block), TRUTH)
    run = Run(tmp_path / "run-one")
    assert [s.mode for s in run.plan.sheets] == ["flipped" if south_up else "direct"]
    assert run.plan.gsd == pytest.approx(np.sqrt(0.1 * 0.1003), rel=1e-3)
    with rasterio.open(next((run.folder / "out").glob("*_classes.tif"))) as made:
        assert made.transform.almost_equals(UNEQUAL)
    with rasterio.open(next((run.folder / "out/sheets").glob("*_classes.tif"))) as own:
        assert own.shape == TRUTH.shape
        assert (own.transform.e > 0) == south_up
    cover = run.layer("landcover")
    assert cover.total_bounds == pytest.approx([PLACE.c, PLACE.f - 150 * 0.1003, PLACE.c + 21, PLACE.f])
    assert cover["area_m2"].sum() == pytest.approx(cover.area.sum(), rel=1e-3)
    assert sum(run.areas.values()) == pytest.approx(21 * 150 * 0.1003, rel=1e-3)
    assert verify(run.folder).faults == ()


def test_pixels_far_from_square_are_warped_to_squares(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a.tif", PHOTO, place=Affine(0.1, 0, PLACE.c, 0, -0.102, PLACE.f))
    tile([tmp_path / "a.tif"], tmp_path / "run")
    plan = Run(tmp_path / "run").plan
    assert plan.sheets[0].mode == "warped"
    assert plan.grid.pixel == plan.grid.pixel_y == pytest.approx(np.sqrt(0.1 * 0.102))


def test_a_photo_of_51_pixels_stays_one_of_51_pixels(tmp_path: Path, network: Path) -> None:
    """It came out as one of 52, moved by 0.79 of a pixel."""
    place = Affine(0.02990, 0, 500000.017, 0, -0.02996, 5200000.011)
    write_sheet(tmp_path / "a.tif", PHOTO[:, :51, :51], place=place)
    tile([tmp_path / "a.tif"], tmp_path / "run")
    plan = Run(tmp_path / "run").plan
    assert plan.grid.window_transform(plan.sheets[0].window).almost_equals(place)
    assert (plan.sheets[0].window.width, plan.sheets[0].window.height) == (51, 51)
    assert Run(tmp_path / "run").plan.grid == plan.grid


def test_kinds_lie_beside_each_other(tmp_path: Path, network: Path) -> None:
    for kind, col in (("tif", 0), ("jp2", 70), ("png", 140)):
        _write(kind, tmp_path / f"in/{kind}_sheet", PHOTO[:, :, col : col + 70], col)
    assert np.array_equal(_classes(tmp_path / "in", tmp_path / "run", network), TRUTH)


def test_two_sets_over_the_same_ground_are_refused(tmp_path: Path) -> None:
    """As in the trees of the ISPRS releases: RGB, IRRG, and labels."""
    for folder, word in (("2_Ortho_RGB", "RGB"), ("3_Ortho_IRRG", "IRRG"), ("5_Labels_all", "label")):
        for k in range(2):
            path = tmp_path / f"in/{folder}/top_potsdam_2_{k}_{word}.tif"
            write_sheet(path, PHOTO, place=moved(PLACE, 210 * k, 0))
    with pytest.raises(UsageError, match=r"2 sets.*2_Ortho_RGB/\*_RGB.tif' \(2 sheets\).*IRRG.*name one") as error:
        tile([tmp_path / "in"], tmp_path / "run")
    assert "Labels" not in str(error.value)
    plan = tile([tmp_path / "in/3_Ortho_IRRG/*_IRRG.tif"], tmp_path / "run").plan
    assert len(plan.sheets) == 2
    for k in range(2):
        write_sheet(tmp_path / f"flights/{k}/odm/ortho.tif", PHOTO, place=moved(PLACE, 210 * k, 0))
    assert len(tile([tmp_path / "flights"], tmp_path / "run2").plan.sheets) == 2


@pytest.mark.parametrize(
    ("kind", "share"),
    [
        *((kind, share) for kind in ("jp2", "jpg") for share in (0.3, 0.999)),
        *((k, s) for k in ("png", "img") for s in (0.3, 0.9)),
    ],
)
def test_a_sheet_that_was_cut_short_is_set_aside(tmp_path: Path, network: Path, kind: str, share: float) -> None:
    write_sheet(tmp_path / "in/a.tif", PHOTO)
    path = _write(kind, tmp_path / "in/b", PHOTO, 210)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    run = tmp_path / "run"
    tile([tmp_path / "in"], run, TileOptions(block_size=64, crs=CRS, nodata=()))
    infer(run, InferOptions(model=(network,), engine="torch"))
    assert [Path(q.path).name for q in Run(run).plan.quarantined] == [path.name]
