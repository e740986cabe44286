"""The lattice of patches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import lattices

from geoseg.errors import UsageError
from geoseg.geometry.lattice import Lattice


@given(lattices(), st.integers(-300, 300), st.integers(1, 200))
def test_exactly_the_patches_with_weight_are_touching(lattice, first, length):
    inner = lattice.patch - 2 * lattice.margin
    expected = [
        k for k in range(-700, 700) if k * lattice.stride < first + length and k * lattice.stride + inner > first
    ]
    assert list(lattice.touching(first, first + length)) == expected


@pytest.mark.parametrize(("patch", "over", "margin"), [(0, 0, 0), (8, 8, 0), (8, -1, 0), (8, 4, 2), (8, 4, -1)])
def test_impossible_lattices_are_refused(patch, over, margin):
    with pytest.raises(UsageError):
        Lattice(patch, over, margin)
