"""A second `tile` agrees with the first or says why not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import a_plan
from support import PLACE

from geoseg.errors import UsageError
from geoseg.geometry.lattice import Lattice
from geoseg.options import TileOptions
from geoseg.stages.tile.earlier import block_size_of, check_same, lattice_of

PLAN = a_plan(lattice=Lattice(256, 32), asked_lattice=True)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"patch_size": 256},
        {"overlap": "32"},
        {"overlap": "12.5%"},
        {"patch_size": 256, "overlap": "32"},
        {"block_size": 64},
        {"gsd": 0.1},
        {"gsd": 0.1005},
        {"crs": "EPSG:25833"},
        {"anchor": (PLACE.c + 0.04, PLACE.f - 0.04)},
        {"bands": (1,), "nodata": ((0.0, 0.0),)},
    ],
    ids=str,
)
def test_what_says_the_same_as_the_plan_is_taken(said) -> None:
    check_same(TileOptions(**said), PLAN)


@pytest.mark.parametrize(
    ("said", "flag"),
    [
        ({"patch_size": 512}, "--patch-size"),
        ({"overlap": "64"}, "--overlap"),
        ({"block_size": 128}, "--block-size"),
        ({"gsd": 0.102}, "--gsd"),
        ({"crs": "EPSG:25832"}, "--crs"),
        ({"anchor": (PLACE.c + 0.06, PLACE.f)}, "--anchor"),
    ],
)
def test_what_would_move_the_plan_is_refused_by_its_name(said, flag) -> None:
    with pytest.raises(UsageError, match="this run was planned with") as caught:
        check_same(TileOptions(**said), PLAN)
    assert caught.value.subject == flag
    assert "--overwrite" in caught.value.cure


def test_a_plan_with_the_networks_patches_takes_no_others() -> None:
    with pytest.raises(UsageError, match="the network's own patches"):
        check_same(TileOptions(patch_size=512), replace(PLAN, lattice=Lattice(512, 128), asked_lattice=False))


@given(st.integers(8, 2000), st.integers(0, 90))
def test_per_cent_are_of_the_patch(patch, share) -> None:
    pixels = round(patch * share / 100)
    by_share, by_pixels = (lattice_of(TileOptions(patch_size=patch, overlap=t)) for t in (f"{share}%", str(pixels)))
    assert by_share == by_pixels == Lattice(patch, pixels)


def test_a_quarter_overlaps_where_nobody_says() -> None:
    assert lattice_of(TileOptions()) == Lattice(512, 128)
    assert lattice_of(TileOptions(patch_size=100)) == Lattice(100, 25)
    with pytest.raises(UsageError, match="not a number of pixels or per cent"):
        lattice_of(TileOptions(overlap="1.5"))


@given(st.integers(-100, 10_000))
def test_blocks_are_multiples_of_sixteen(size) -> None:
    if size >= 16 and size % 16 == 0:
        assert block_size_of(size) == size
    else:
        with pytest.raises(UsageError, match="multiple of 16"):
            block_size_of(size)
