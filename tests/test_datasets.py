"""Data sets: released layouts with their defects, partial labels, splits that do not leak, samples that anyone draws alike."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import geopandas
import layouts
import numpy as np
import pytest
import shapely
from conftest import CRS, PLACE, moved, write_sheet
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from PIL import Image
from rasterio.windows import Window

from geoseg.classes import ISPRS, NODATA, NOT
from geoseg.datasets.folders import image_file, pair_items, patch_items
from geoseg.datasets.isprs import isprs_items, official_split
from geoseg.datasets.items import ImageFile, Item, LabelFile, read_item, read_labels
from geoseg.datasets.legend import Legend, code_of, cube_legend, decoded, table_legend
from geoseg.datasets.public import CITYSCAPES, VOC, cityscapes_items, voc_items
from geoseg.datasets.samples import LabelledSet, Samples, class_places, loader
from geoseg.datasets.sets import labelled_sets
from geoseg.datasets.split import Split, refuse_leaks, split_items
from geoseg.errors import SheetError, UsageError
from geoseg.learn.augment import NONE, Augmentation
from geoseg.learn.settings import DataSection
from geoseg.sheets.images import read_picture

FILL = (100.0, 110.0, 120.0)


def _whole(item: Item) -> np.ndarray:
    return read_labels(item, item.window)


# Released layouts


def test_potsdam_is_found_decoded_and_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = layouts.potsdam(tmp_path, ("2_10", "3_10", "4_12", "6_7", "2_13"))
    with caplog.at_level(logging.WARNING):
        parts = isprs_items(root, "potsdam")
    assert [i.name for i in parts["validation"]] == ["2_10"]
    assert [i.name for i in parts["test"]] == ["2_13"]
    assert sorted(i.name for i in parts["train"]) == ["3_10", "4_12", "6_7"]
    assert "re-encoded" in caplog.text
    assert "252, 255, 0" in caplog.text
    rng = np.random.default_rng(5)
    for number in ("2_10", "3_10", "4_12", "6_7", "2_13"):
        truth = layouts.patchwork(rng, (160, 160))
        (item,) = [i for part in parts.values() for i in part if i.name == number]
        assert (_whole(item) == truth).all(), number
        for bands in (3, 3, 4):  # the generator drew these in between
            layouts.picture_of(truth, rng, bands)
        if number == "4_12":
            rng.integers(-30, 31, (3, 160, 160))


def test_potsdam_rules_for_boundaries(tmp_path: Path) -> None:
    root = layouts.potsdam(tmp_path, ("2_10", "3_10"))
    every, without, eroded = (
        isprs_items(root, "potsdam", boundary=b)["train"][0] for b in ("all", "noBoundary", "eroded")
    )
    assert (_whole(every) != NODATA).all()
    assert (_whole(without)[::16] == NODATA).all()
    near = _whole(eroded)
    assert 0.2 < (near == NODATA).mean() < 0.9
    assert (near[near != NODATA] == _whole(every)[near != NODATA]).all()


def test_potsdam_with_world_files_and_padded_names(tmp_path: Path) -> None:
    root = layouts.potsdam(tmp_path, ("2_10", "3_10"), world_files=True)
    for path in sorted(root.rglob("*2_10*")):
        path.rename(path.with_name(path.name.replace("2_10", "02_10")))
    parts = isprs_items(root, "potsdam", crs=CRS)
    (item,) = parts["validation"]
    assert item.name == "2_10"
    assert abs(item.image.gsd - 0.1) < 1e-3
    assert np.allclose(item.image.transform, tuple(PLACE)[:6])


def test_potsdam_four_bands_and_excluded_sheets(tmp_path: Path) -> None:
    root = layouts.potsdam(tmp_path, ("2_10", "3_10", "7_10"))
    parts = isprs_items(root, "potsdam", "RGBIR", exclude=("7_10",))
    assert [i.name for i in parts["train"]] == ["3_10"]
    assert read_item(parts["train"][0], Window(0, 0, 8, 8))[0].shape == (4, 8, 8)


def test_vaihingen(tmp_path: Path) -> None:
    parts = isprs_items(layouts.vaihingen(tmp_path), "vaihingen", "IRRG")
    assert {k: [i.name for i in v] for k, v in parts.items()} == {"train": ["1"], "validation": ["30"], "test": ["2"]}
    with pytest.raises(UsageError, match="near infrared, red, green"):
        isprs_items(tmp_path, "vaihingen", "RGB")


def test_official_splits_are_complete() -> None:
    potsdam, vaihingen = official_split("potsdam"), official_split("vaihingen")
    assert len(potsdam) == 38
    assert len(vaihingen) == 33
    assert sum(v == "test" for v in potsdam.values()) == 14
    assert sum(v == "test" for v in vaihingen.values()) == 17


def test_missing_label_and_empty_folder_are_named(tmp_path: Path) -> None:
    root = layouts.potsdam(tmp_path, ("3_10",))
    next(root.rglob("*_label.tif")).unlink()
    with pytest.raises(UsageError, match="top_potsdam_3_10_RGB.tif: has no label"):
        isprs_items(root, "potsdam")
    with pytest.raises(UsageError, match="expected names as released"):
        isprs_items(tmp_path / "5_Labels_all", "potsdam")


def test_voc_palette_and_void(tmp_path: Path) -> None:
    parts = voc_items(layouts.voc(tmp_path))
    assert len(parts["train"]) == len(parts["validation"]) == 3
    labels = _whole(parts["train"][0])
    assert (labels[::16] == NODATA).all()  # void 255 is not a class
    assert labels[1:16].max() < 21
    assert VOC.classes[1].colour == (128, 0, 0)
    assert VOC.classes[15].colour == (192, 128, 128)
    with pytest.raises(UsageError, match="VOCdevkit"):
        voc_items(tmp_path / "nothing")


def test_cityscapes_ids_become_train_ids(tmp_path: Path) -> None:
    parts = cityscapes_items(layouts.cityscapes(tmp_path))
    assert len(parts["train"]) == len(parts["validation"]) == 2
    raw = read_picture(Path(parts["train"][0].labels.path), "as is")[0]
    labels = _whole(parts["train"][0])
    assert (labels[raw == 7] == 0).all()
    assert (labels[raw == 26] == 13).all()
    assert (labels[raw == 0] == NODATA).all()
    assert len(CITYSCAPES) == 19


# Legends and partial labels


def test_cube_survives_what_exact_colours_do_not() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, (50, 50)).astype(np.uint8)
    colours = layouts.COLOURS[labels].transpose(2, 0, 1).astype(int)
    noisy = np.clip(colours + rng.integers(-100, 101, colours.shape), 0, 255).astype(np.uint8)
    assert (decoded(noisy, cube_legend(ISPRS), "x") == labels).all()


def test_values_and_colours_that_nobody_named_are_refused() -> None:
    with pytest.raises(SheetError, match=r"label values \[9\]"):
        decoded(np.full((1, 4, 4), 9, np.uint8), table_legend(ISPRS), "labels.tif")
    legend = Legend("colours", ((0x3C1098, 1),))
    assert (
        decoded(np.array([0x3C, 0x12, 0x98], np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8), legend, "x") == 1
    ).all()
    with pytest.raises(SheetError, match="#ffffff, which the legend lacks"):
        decoded(np.full((3, 4, 4), 255, np.uint8), legend, "labels.png")


def test_words_of_legends() -> None:
    assert code_of("Building", ISPRS, "x") == 1
    assert code_of("not building", ISPRS, "x") == NOT + 1
    assert code_of("low_vegetation", ISPRS, "x") == 2
    assert code_of("ignore", ISPRS, "x") == NODATA
    with pytest.raises(UsageError, match="known: impervious surface"):
        code_of("buildings", ISPRS, "x")


def test_polygons_are_burnt_with_what_the_rest_means(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a.tif", np.zeros((3, 64, 64), np.uint8))
    left, top = PLACE.c, PLACE.f
    house = shapely.box(left + 1, top - 3, left + 2, top - 1)
    geopandas.GeoDataFrame({"kind": ["house"]}, geometry=[house], crs=CRS).to_crs("EPSG:4326").to_file(
        tmp_path / "b.geojson"
    )
    section = DataSection(
        kind="polygons",
        root=tmp_path,
        images="*.tif",
        labels="b.geojson",
        classes={"*": "building"},
        rest="not building",
    )
    (one,) = labelled_sets([section], ISPRS, 3, None)["train"]
    labels = _whole(one.items[0])
    assert (labels[10:30, 10:20] == 1).mean() > 0.98
    assert (labels[40:] == NOT + 1).all()
    odd = section.model_copy(update={"column": "kind", "classes": {"barn": "building"}})
    (one,) = labelled_sets([odd], ISPRS, 3, None)["train"]
    with pytest.raises(SheetError, match="'house' has no class"):
        _whole(one.items[0])


def test_boxes_know_their_core_and_not_their_ring(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((100, 200, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n4 0.1 0.1 0.05 0.1\n")
    section = DataSection(
        kind="boxes", root=tmp_path, images="*.png", classes={0: "car", 4: "ignore"}, rest="not car", gsd=0.15
    )
    (one,) = labelled_sets([section], ISPRS, 3, None)["train"]
    labels = _whole(one.items[0])
    assert labels[50, 100] == 4
    assert labels[35, 85] == NODATA
    assert labels[90, 190] == NOT + 4
    assert labels[10, 20] == NODATA
    (tmp_path / "a.txt").write_text("0 0.5 oops 0.2 0.4\n")
    from geoseg.datasets.shapes import read_boxes

    read_boxes.cache_clear()
    with pytest.raises(SheetError, match="line 1"):
        read_boxes(str(tmp_path / "a.txt"))


def test_patches_that_tile_wrote_are_a_data_set(tmp_path: Path, geoseg) -> None:
    rng = np.random.default_rng(1)
    labels = layouts.patchwork(rng, (200, 200))
    write_sheet(tmp_path / "s" / "a_RGB.tif", layouts.picture_of(labels, rng))
    write_sheet(tmp_path / "l" / "a_label.tif", layouts.COLOURS[labels].transpose(2, 0, 1).copy())
    code, _, err = geoseg(
        "tile",
        tmp_path / "s",
        "-o",
        tmp_path / "run",
        "--patch-size",
        96,
        "--overlap",
        32,
        "--write-patches",
        "--labels",
        tmp_path / "l",
    )
    assert code == 0, err
    items = patch_items(tmp_path / "run", ISPRS, ImageFile("", "", (0, 0), (1, 2, 3), 0.0))
    assert len(items) >= 9
    parts = split_items(items, Split(side="east", share=0.3, gap=2))
    assert parts["train"]
    assert parts["validation"]
    refuse_leaks(parts)
    by_name = split_items(items, Split(names=((items[4].name, "validation"),)))
    with pytest.raises(UsageError, match="shares ground"):
        refuse_leaks(by_name)


# Splits


def _grid_items(count: int, side: int = 100, crs: str = CRS) -> list[Item]:
    from rasterio.crs import CRS as Crs

    wkt = Crs.from_user_input(crs).to_wkt() if crs else ""
    items = []
    for k in range(count):
        place = moved(PLACE, k * side, 0)
        image = ImageFile(
            "sheet", f"/nowhere/{crs}/{k}.tif", (side, side), (1, 2, 3), 0.1, wkt, tuple(place)[:6] if wkt else ()
        )
        items.append(Item(f"s_{k}", image, LabelFile("raster", ""), (0, 0, side, side)))
    return items


@given(st.sampled_from(["north", "south", "east", "west"]), st.floats(0.1, 0.6), st.floats(0, 5))
@profile(max_examples=40)
def test_a_side_and_its_gap(side: str, share: float, gap: float) -> None:
    parts = split_items(_grid_items(4), Split(side=side, share=share, gap=gap))  # type: ignore[arg-type]
    boxes = {}
    for name in ("train", "validation"):
        cols = [
            (i.region[1] + 100 * int(i.name[2:]), i.region[1] + 100 * int(i.name[2:]) + i.region[3])
            for i in parts[name]
        ]
        rows = [(i.region[0], i.region[0] + i.region[2]) for i in parts[name]]
        boxes[name] = cols if side in ("east", "west") else rows
    if boxes["train"] and boxes["validation"]:
        low, high = ("train", "validation") if side in ("east", "south") else ("validation", "train")
        assert min(b[0] for b in boxes[high]) - max(b[1] for b in boxes[low]) >= gap * 10 - 1
    refuse_leaks({k: [i for i in v if i.image.crs] for k, v in parts.items()})


@given(st.integers(0, 50), st.floats(2, 9), st.floats(0, 0.9))
@profile(max_examples=30)
def test_blocks_keep_their_gap(seed: int, blocks: float, gap: float) -> None:
    parts = split_items(_grid_items(3), Split(blocks=blocks, share=0.4, gap=gap, seed=seed))

    def boxes(name: str) -> list[shapely.Geometry]:
        out = []
        for i in parts[name]:
            r, c, h, w = i.region
            c += 100 * int(i.name[2:])
            out.append(shapely.box(c, r, c + w, r + h))
        return out

    held, used = boxes("validation"), boxes("train")
    if held and used:
        assert shapely.distance(shapely.union_all(held), shapely.union_all(used)) >= gap * 10 - 1e-6
        whole = shapely.union_all(held + used)
        assert whole.area <= 30_000 + 1e-6


def test_leaks_are_refused(tmp_path: Path) -> None:
    items = _grid_items(3)
    refuse_leaks({"train": items[:2], "validation": items[2:], "test": []})
    with pytest.raises(UsageError, match="s_1: is in train, and shares ground with s_1 in test"):
        refuse_leaks({"train": items[:2], "validation": [], "test": [items[1].within((20, 20, 40, 40))]})
    other = _grid_items(1, crs="EPSG:3857")  # another CRS at the other end of the Earth
    refuse_leaks({"train": items, "validation": other, "test": []})


def test_copies_under_another_name_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes())
    items = [
        Item(n, image_file(tmp_path / f"{n}.png", gsd=0.1), LabelFile("raster", ""), (0, 0, 40, 40))
        for n in ("a", "b", "c")
    ]
    refuse_leaks({"train": [items[0]], "validation": [items[1]], "test": []})
    with pytest.raises(UsageError, match="same image is in test as c"):
        refuse_leaks({"train": [items[0]], "validation": [], "test": [items[2]]})


def test_unknown_names_in_a_split_are_refused() -> None:
    with pytest.raises(UsageError, match="names s_9, which is no image"):
        split_items(_grid_items(3), Split(names=(("s_9", "test"),)))


def test_pixels_outside_the_region_are_never_read(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a_RGB.tif", np.full((3, 64, 64), 200, np.uint8))
    write_sheet(tmp_path / "a_label.tif", np.zeros((64, 64), np.uint8))
    prototype = ImageFile("", "", (0, 0), (1, 2, 3), 0.0)
    (item,) = pair_items(tmp_path, "*_RGB.tif", "*_label.tif", table_legend(ISPRS), prototype)
    image, labels, valid = read_item(item.within((0, 0, 64, 32)), Window(-8, -8, 80, 80))
    assert valid.sum() == 64 * 32
    assert (image[:, ~valid] == 0).all()
    assert (labels[~valid] == NODATA).all()


# Samples


def _scene_samples(**more: object) -> Samples:
    section = DataSection(kind="scenes", seed=5, count=2, metres=16, pixel_sizes=(0.2, 0.25))
    sets = labelled_sets([section], ISPRS, 3, None)["train"]
    return Samples(
        tuple(sets), **{"side": 48, "gsd": 0.2, "fill": FILL, "augmentation": Augmentation(), "seed": 3, **more}
    )  # type: ignore[arg-type]


def test_sample_i_is_the_same_for_everyone() -> None:
    one, other = _scene_samples(), _scene_samples()
    for i in (4, 0, 9):
        a, b = one[i], other[i]
        assert (a[0] == b[0]).all()
        assert (a[1] == b[1]).all()
    assert any((one[0][0] != one[k][0]).any() for k in range(1, 4))
    assert (_scene_samples(seed=4)[0][0] != one[0][0]).any()


def test_loaders_and_restarts_do_not_change_samples() -> None:
    samples = _scene_samples()
    straight = list(loader(samples, 0, 4, 2, workers=0))
    resumed = list(loader(samples, 2, 4, 2, workers=0))
    assert all((a[0] == b[0]).all() for a, b in zip(straight[2:], resumed, strict=True))
    ranks = [list(loader(samples, 0, 2, 2, workers=0, rank=r, ranks=2)) for r in (0, 1)]
    assert (ranks[0][1][0] == straight[2][0]).all()
    assert (ranks[1][0][0] == straight[1][0]).all()


@pytest.mark.slow
def test_workers_do_not_change_samples() -> None:
    samples = _scene_samples()
    for a, b in zip(loader(samples, 0, 3, 2, workers=0), loader(samples, 0, 3, 2, workers=2), strict=True):
        assert (a[0] == b[0]).all()
        assert (a[1] == b[1]).all()


def test_rare_classes_are_sought(tmp_path: Path) -> None:
    labels = np.zeros((512, 512), np.uint8)
    labels[300:320, 100:120] = 4
    write_sheet(tmp_path / "a_RGB.tif", np.zeros((3, 512, 512), np.uint8))
    write_sheet(tmp_path / "a_label.tif", labels)
    items = pair_items(
        tmp_path, "*_RGB.tif", "*_label.tif", table_legend(ISPRS), ImageFile("", "", (0, 0), (1, 2, 3), 0.0)
    )
    assert (labels[tuple(class_places(items[0])[4].T)] == 4).all()
    sets = (LabelledSet("a", tuple(items)),)

    def share(balance: float) -> float:
        samples = Samples(sets, 64, 0.1, FILL, NONE, 0, balance)
        return float(np.mean([(samples[i][1] == 4).any() for i in range(60)]))

    assert share(1.0) > 0.4 > 0.15 > share(0.0)


def test_pairs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a_RGB.tif", np.zeros((3, 64, 64), np.uint8))
    prototype = ImageFile("", "", (0, 0), (1, 2, 3), 0.0)
    write_sheet(tmp_path / "b_label.tif", np.zeros((64, 64), np.uint8))
    with pytest.raises(UsageError, match="a_RGB.tif: has no label"):
        pair_items(tmp_path, "*_RGB.tif", "*_label.tif", table_legend(ISPRS), prototype)
    write_sheet(tmp_path / "a_label.tif", np.zeros((64, 60), np.uint8))
    with pytest.raises(SheetError, match="match pixel by pixel"):
        pair_items(tmp_path, "a_RGB.tif", "*_label.tif", table_legend(ISPRS), prototype)


def test_plain_images_need_a_pixel_size_and_a_signature(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="give `gsd`"):
        image_file(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"GIF89a" + bytes(50))
    with pytest.raises(SheetError, match="neither PNG nor JPEG"):
        image_file(tmp_path / "b.png", gsd=0.1)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "c.png").write_bytes(whole[:-30])
    with pytest.raises(SheetError, match=r"c\.png"):
        read_picture(tmp_path / "c.png")


def test_sixteen_bit_sheets_need_a_range(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a_RGB.tif", np.full((3, 32, 32), 2000, np.uint16))
    write_sheet(tmp_path / "a_label.tif", np.zeros((32, 32), np.uint8))
    section = DataSection(kind="pairs", root=tmp_path, images="*_RGB.tif", labels="*_label.tif")
    (one,) = labelled_sets([section], ISPRS, 3, None)["train"]
    with pytest.raises(SheetError, match="range"):
        read_item(one.items[0], Window(0, 0, 8, 8))
    (one,) = labelled_sets([section.model_copy(update={"range": (0.0, 4000.0)})], ISPRS, 3, None)["train"]
    assert set(np.unique(read_item(one.items[0], Window(0, 0, 8, 8))[0])) == {128}


def test_bbox_limits_what_is_read(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a_RGB.tif", np.zeros((3, 100, 100), np.uint8))
    write_sheet(tmp_path / "a_label.tif", np.zeros((100, 100), np.uint8))
    left, top = PLACE.c, PLACE.f
    section = DataSection(
        kind="pairs",
        root=tmp_path,
        images="*_RGB.tif",
        labels="*_label.tif",
        bbox=(left + 2, top - 6, left + 7, top - 1),
    )
    (one,) = labelled_sets([section], ISPRS, 3, None)["train"]
    assert one.items[0].region == (10, 20, 50, 50)
    with pytest.raises(UsageError, match="inside bbox"):
        labelled_sets([section.model_copy(update={"bbox": (0.0, 0.0, 1.0, 1.0)})], ISPRS, 3, None)
    assert json.loads(section.model_dump_json())["kind"] == "pairs"
