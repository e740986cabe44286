"""Images in memory and open datasets as sources of windows."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.windows import Window
from support import write_sheet

from geoseg.errors import UsageError
from geoseg.sheets.arrays import image_source

RNG = np.random.default_rng(6)
IMAGE = RNG.integers(1, 255, (4, 40, 50)).astype(np.uint8)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = write_sheet(tmp_path_factory.mktemp("a") / "a.tif", IMAGE, photometric="minisblack")
    with rasterio.open(path) as opened:
        yield opened


@given(st.integers(-60, 60), st.integers(-60, 60), st.integers(1, 120), st.integers(1, 120), st.booleans())
def test_any_window_is_the_crop_of_a_padded_image_and_a_dataset_is_no_other(
    dataset, col, row, width, height, file
) -> None:
    source = image_source(dataset if file else IMAGE, 3)
    pixels, valid = source.read(Window(col, row, width, height))
    padded = np.pad(IMAGE[:3], ((0, 0), (200, 200), (200, 200)))
    inside = np.pad(np.ones(IMAGE.shape[1:], bool), 200)
    part = slice(row + 200, row + 200 + height), slice(col + 200, col + 200 + width)
    assert np.array_equal(pixels, padded[(slice(None), *part)])
    assert np.array_equal(valid, inside[part])


def test_size_and_gsd(dataset) -> None:
    assert image_source(IMAGE, 3).shape == (40, 50)
    assert image_source(IMAGE, 3).window == Window(0, 0, 50, 40)
    assert image_source(IMAGE, 3).gsd is None
    assert image_source(dataset, 3).gsd == pytest.approx(0.1, rel=1e-3)


def test_what_is_not_a_number_is_not_valid() -> None:
    image = IMAGE.astype(np.float32)
    image[1, 3, 4] = np.nan
    _, valid = image_source(image, 3).read(Window(0, 0, 50, 40))
    assert (~valid).sum() == 1
    assert not valid[3, 4]


def test_too_few_bands_or_dimensions_are_refused(dataset) -> None:
    for image in (IMAGE, dataset):
        with pytest.raises(UsageError, match="has 4 bands, the network wants 5"):
            image_source(image, 5)
    with pytest.raises(UsageError, match="expected"):
        image_source(IMAGE[0], 1)
