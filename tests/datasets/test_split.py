"""Splits that do not leak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from PIL import Image
from support import CRS, PLACE, moved

from geoseg.datasets.folders import ImageFacts, image_file
from geoseg.datasets.items import ImageFile, Item, LabelFile
from geoseg.datasets.split import Split, refuse_leaks, split_items
from geoseg.errors import UsageError


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
        Item(n, image_file(tmp_path / f"{n}.png", ImageFacts(gsd=0.1)), LabelFile("raster", ""), (0, 0, 40, 40))
        for n in ("a", "b", "c")
    ]
    refuse_leaks({"train": [items[0]], "validation": [items[1]], "test": []})
    with pytest.raises(UsageError, match="same image is in test as c"):
        refuse_leaks({"train": [items[0]], "validation": [], "test": [items[2]]})


def test_unknown_names_in_a_split_are_refused() -> None:
    with pytest.raises(UsageError, match="names s_9, which is no image"):
        split_items(_grid_items(3), Split(names=(("s_9", "test"),)))
