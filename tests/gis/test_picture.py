"""Pictures of classes and outlines."""

from __future__ import annotations

import numpy as np
import rasterio
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoseg.classes import ISPRS
from geoseg.gis.picture import coloured, side_by_side, with_outlines, write_png

images = arrays(np.uint8, (5, 4, 3))


@given(arrays(np.uint8, (6, 7), elements=st.sampled_from([0, 1, 2, 3, 4, 5, 255, 77])))
def test_a_class_has_its_colour_and_anything_else_is_grey(classes) -> None:
    shown = coloured(classes, ISPRS)
    for c in ISPRS.classes:
        assert (shown[classes == c.value] == c.drawn).all()
    assert (shown[(classes == 255) | (classes == 77)] == 225).all()


@given(st.lists(images, min_size=1, max_size=4), st.integers(0, 9))
def test_pictures_beside_each_other_are_themselves(parts, gap) -> None:
    whole = side_by_side(parts, gap)
    assert whole.shape == (5, 4 * len(parts) + gap * (len(parts) - 1), 3)
    for k, part in enumerate(parts):
        left = k * (4 + gap)
        assert np.array_equal(whole[:, left : left + 4], part)
        assert (whole[:, left + 4 : left + 4 + gap] == 255).all()


def test_an_outline_is_in_its_colour_its_inside_is_tinted_and_the_rest_stays() -> None:
    image = np.full((30, 30, 3), 100, np.uint8)
    drawn = with_outlines(
        image, [(np.array([shapely.box(5, -25, 20, -10)], object), (255, 0, 0))], Affine(1, 0, 0, 0, -1, 0)
    )
    assert tuple(drawn[10, 12]) == (255, 0, 0)
    assert tuple(drawn[17, 12]) == (154, 65, 65)
    assert tuple(drawn[2, 2]) == (100, 100, 100)
    nothing = with_outlines(image, [(np.zeros(0, object), (255, 0, 0))], Affine.identity())
    assert np.array_equal(nothing, image)


@given(images)
def test_a_png_holds_every_pixel(tmp_path_factory, image) -> None:
    import warnings

    path = tmp_path_factory.getbasetemp() / "a.png"
    write_png(path, image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            assert np.array_equal(np.moveaxis(dataset.read(), 0, 2), image)
