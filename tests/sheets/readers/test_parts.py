"""How a window is cut for several readers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.sheets.readers import parts
from geoseg.sheets.readers.parts import parts_of, row_chunks


@given(st.integers(0, 50), st.integers(1, 200), st.integers(1, 60), st.integers(1, 40))
def test_chunks_are_the_window(first, height, rows, block) -> None:
    cuts = list(row_chunks(first, first + height, rows, block))
    assert cuts[0][0] == first
    assert cuts[-1][1] == first + height
    assert all(a[1] == b[0] for a, b in pairwise(cuts))
    assert all(0 < b - a <= max(rows, block) for a, b in cuts)


@given(st.integers(0, 50), st.integers(1, 90), st.integers(0, 50), st.integers(1, 90), st.integers(1, 40), st.data())
def test_parts_are_the_window_and_share_no_block(row, high, col, wide, block, data) -> None:
    rows, cols, readers = slice(row, row + high), slice(col, col + wide), data.draw(st.integers(1, 9))
    shape = (data.draw(st.integers(1, 40)), block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "SMALLEST", 1)
        found = parts_of(rows, cols, shape, readers)
    assert 1 <= len(found) <= readers
    taken = [(r, c) for rs, cs in found for r in range(rs.start, rs.stop) for c in range(cs.start, cs.stop)]
    assert len(taken) == len(set(taken)) == high * wide
    blocks = [
        {(r // shape[0], c // shape[1]) for r in (rs.start, rs.stop - 1) for c in (cs.start, cs.stop - 1)}
        for rs, cs in found
    ]
    assert all(not (a & b) for a, b in pairwise(blocks))


def test_a_small_window_is_not_cut() -> None:
    assert parts_of(slice(0, 100), slice(0, 100), (16, 16), 8) == [(slice(0, 100), slice(0, 100))]
