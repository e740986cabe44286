"""Inside the decoder's process."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from geoseg.sheets.decoder_process import _chunks


@given(st.integers(0, 50), st.integers(1, 200), st.integers(1, 60), st.integers(1, 40))
def test_chunks_are_the_window(first, height, rows, block) -> None:
    cuts = list(_chunks(first, first + height, rows, block))
    assert cuts[0][0] == first
    assert cuts[-1][1] == first + height
    assert all(a[1] == b[0] for a, b in pairwise(cuts))
    assert all(0 < b - a <= max(rows, block) for a, b in cuts)
