"""Blocks: written, read in windows, checked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from plans import a_plan, a_sheet
from rasterio.windows import Window

from geoseg.errors import PlanError
from geoseg.plan import plan_blocks
from geoseg.runfolder.blocks import BlockPixels, BlockPlace, BlockReader, block_path, read_record, write_block
from geoseg.runfolder.folder import Run

PLAN = a_plan(a_sheet(window=Window(-70, -10, 200, 150)))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(run, classes of all blocks as one array, its window): random classes."""
    run = Run(tmp_path_factory.mktemp("blocks"))
    rng = np.random.default_rng(3)
    whole = Window(-128, -64, 320, 256)
    classes = np.full((256, 320), 255, np.uint8)
    for row, col in plan_blocks(PLAN):
        window = Window(col * 64, row * 64, 64, 64)
        pixels = rng.integers(0, 6, (64, 64)).astype(np.uint8)
        place = BlockPlace(run.blocks, PLAN, (row, col))
        shares = np.stack([pixels, 100 - pixels])
        write_block(place, "key", BlockPixels(window, pixels, pixels + 50, shares), ["a", "b"], 1.0)
        top, left = row * 64 + 64, col * 64 + 128
        classes[top : top + 64, left : left + 64] = pixels
    return run, classes, whole


@profile(max_examples=40)
@given(st.integers(-128, 180), st.integers(-64, 180), st.integers(1, 150), st.integers(1, 150))
def test_any_window_is_the_crop_of_all_blocks(written, col, row, width, height) -> None:
    run, classes, _ = written
    width, height = min(width, 192 - col), min(height, 192 - row)
    reader = BlockReader(run.blocks, PLAN, plan_blocks(PLAN))
    found, confidence = reader.read(Window(col, row, width, height))
    expected = classes[row + 64 : row + 64 + height, col + 128 : col + 128 + width]
    assert np.array_equal(found, expected)
    assert np.array_equal(confidence[expected != 255], expected[expected != 255] + 50)
    assert reader.empty(Window(col, row, width, height)) == (expected == 255).all()


def test_a_record_says_what_was_written(written) -> None:
    run, _, _ = written
    for block in plan_blocks(PLAN):
        record = read_record(run.blocks, block)
        assert record is not None
        assert record.key == "key"
        assert sum(record.counts.values()) == 64 * 64
        assert record.pixels == 64 * 64


def test_pixels_outside_the_region_are_no_data(tmp_path) -> None:
    pixels = np.ones((10, 20), np.uint8)
    record = write_block(
        BlockPlace(tmp_path, PLAN, (0, 0)), "k", BlockPixels(Window(5, 6, 20, 10), pixels, pixels), ["a"], 0.0
    )
    assert record.counts == {1: 200, 255: 64 * 64 - 200}
    classes, _ = BlockReader(tmp_path, PLAN, [(0, 0)]).block((0, 0))
    assert (classes != 255).sum() == 200
    assert (classes[6:16, 5:25] == 1).all()


def test_a_flipped_bit_is_noticed_when_it_is_read(tmp_path) -> None:
    pixels = np.ones((64, 64), np.uint8)
    write_block(BlockPlace(tmp_path, PLAN, (0, 0)), "k", BlockPixels(Window(0, 0, 64, 64), pixels, pixels), ["a"], 0.0)
    path = block_path(tmp_path, (0, 0))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert read_record(tmp_path, (0, 0)) is not None  # resume looks at the size only
    with pytest.raises(PlanError, match="is not what was committed"):
        BlockReader(tmp_path, PLAN, [(0, 0)]).block((0, 0))


def test_shares_that_were_not_kept_are_asked_for(tmp_path) -> None:
    pixels = np.ones((64, 64), np.uint8)
    write_block(BlockPlace(tmp_path, PLAN, (0, 0)), "k", BlockPixels(Window(0, 0, 64, 64), pixels, pixels), ["a"], 0.0)
    with pytest.raises(PlanError, match="--probabilities"):
        BlockReader(tmp_path, PLAN, [(0, 0)]).shares(Window(0, 0, 9, 9), 1)
