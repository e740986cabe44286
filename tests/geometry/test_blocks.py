"""Blocks, panels and shards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from strategies import windows

from geoseg.geometry.blocks import block_window, blocks_of, panels_of, shard_of
from geoseg.geometry.grid import overlap


@given(st.lists(windows, min_size=1, max_size=5), st.integers(4, 30))
def test_blocks_cover_all_windows_and_no_more(found, size):
    blocks = blocks_of(found, size)
    assert all(any(overlap(block_window(b, size), w) for w in found) for b in blocks)
    for w in found:
        parts = [overlap(block_window(b, size), w) for b in blocks]
        assert sum(p.width * p.height for p in parts if p) == w.width * w.height


@given(st.sets(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=1), st.integers(1, 5))
def test_panels_hold_each_block_once(blocks, widest):
    panels = panels_of(blocks, 10, widest)
    assert all(p.col1 - p.col0 <= widest for p in panels)
    assert sorted(b for p in panels for b in p.blocks) == sorted(blocks)
    assert all(p.row0 <= r < p.row1 and p.col0 <= c < p.col1 for p in panels for r, c in p.blocks)


def test_blocks_far_apart_make_narrow_panels():
    panels = panels_of([(0, 0), (1, 0), (1, 1), (2, 2), (0, 7)], 10, 99)
    assert [p.blocks for p in panels] == [((0, 0), (1, 0), (1, 1)), ((0, 7),), ((2, 2),)]
    assert max(p.window.width for p in panels) == 20


def test_a_share_for_everyone() -> None:
    blocks = [(r, c) for r in range(5) for c in range(7)]
    for count in (1, 2, 3, 40):
        shares = [shard_of(blocks, i, count) for i in range(count)]
        assert sorted(b for s in shares for b in s) == blocks
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for wished in (1, 2, 6, 100):
        panels = panels_of(blocks, 64, 7, wished)
        assert len(panels) >= min(wished, len(blocks))
        assert sorted(b for p in panels for b in p.blocks) == blocks
