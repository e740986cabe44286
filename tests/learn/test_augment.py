"""Augmentation: image and label move alike, and labels are never mixed."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from geoseg.classes import NODATA, NOT
from geoseg.learn.augment import NONE, Augmentation, Pose, change_photo, draw_pose, lay_crop

FILL = np.array([100, 110, 120], np.float32)


@given(st.integers(0, 3), st.booleans(), st.integers(0, 1000))
@profile(max_examples=30)
def test_quarter_turns_move_image_and_label_alike(turn: int, mirrored: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, (32, 32)).astype(np.uint8)
    image = np.repeat(labels[None] * 40, 3, 0)
    crop, found = lay_crop(image, labels, np.ones((32, 32), bool), Pose(32, 1.0, turn * math.pi / 2, mirrored), FILL)
    assert (crop[0] == found * 40).all()
    assert sorted(found.ravel()) == sorted(labels.ravel())


@given(st.floats(0.5, 2.2), st.floats(0, 6.3), st.booleans(), st.integers(0, 1000))
@profile(max_examples=40)
def test_any_pose_keeps_image_on_label(zoom: float, angle: float, mirrored: bool, seed: int) -> None:
    """Image values are the label's: away from class borders they agree after any turn and scale."""
    pose = Pose(48, zoom, angle, mirrored)
    rng, side = np.random.default_rng(seed), pose.reach
    labels = np.kron(rng.integers(0, 4, (side // 16 + 1,) * 2), np.ones((16, 16), int))[:side, :side].astype(np.uint8)
    image = np.repeat(labels[None] * 60, 3, 0).astype(np.uint8)
    crop, found = lay_crop(image, labels, np.ones(labels.shape, bool), pose, FILL)
    known = found != NODATA
    assert known.mean() > 0.9
    close = np.abs(crop[0].astype(int) - found.astype(int) * 60) < 30
    assert close[known].mean() > 0.8


@given(st.floats(0.5, 2.2), st.floats(0, 6.3), st.integers(0, 1000))
@profile(max_examples=30)
def test_labels_are_never_mixed(zoom: float, angle: float, seed: int) -> None:
    """Bilinear labels would make classes that nobody drew."""
    pose = Pose(32, zoom, angle, False)
    labels = np.random.default_rng(seed).choice(np.array([0, 5, NOT + 1, NODATA], np.uint8), (pose.reach, pose.reach))
    image = np.zeros((3, *labels.shape), np.uint8)
    assert set(np.unique(lay_crop(image, labels, np.ones(labels.shape, bool), pose, FILL)[1])) <= {
        0,
        5,
        NOT + 1,
        NODATA,
    }


def test_outside_is_unknown_and_mean() -> None:
    valid = np.ones((32, 32), bool)
    valid[:, 20:] = False
    crop, labels = lay_crop(
        np.zeros((3, 32, 32), np.uint8), np.ones((32, 32), np.uint8), valid, Pose(32, 1.0, 0.0, False), FILL
    )
    assert (labels[:, 20:] == NODATA).all()
    assert (crop[:, :, 25] == FILL[:, None]).all()


def test_weather_leaves_labels_alone() -> None:
    rng = np.random.default_rng(2)
    image, labels = rng.integers(0, 255, (3, 64, 64), dtype=np.uint8), rng.integers(0, 6, (64, 64)).astype(np.uint8)
    strong = Augmentation(blur=1, noise=1, jpeg=1, grey=1, nodata=0)
    changed, same = change_photo(image, labels, rng, strong, FILL)
    assert (same == labels).all()
    assert (changed != image).mean() > 0.5
    kept, same = change_photo(image, labels, rng, NONE, FILL)
    assert (kept == image).all()
    assert (same == labels).all()


def test_scale_bounds_are_kept() -> None:
    rng = np.random.default_rng(0)
    zooms = [draw_pose(rng, Augmentation(scale=(0.5, 2)), 32, 2.0).zoom for _ in range(300)]
    assert 1.0 <= min(zooms) < 1.2
    assert 3.4 < max(zooms) <= 4.0
