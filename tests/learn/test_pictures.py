"""Pictures of samples, curves and confusion."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from geoseg.classes import ISPRS, NODATA, NOT
from geoseg.learn.pictures import confusion_png, contact_sheet, curves_png, label_colours


def test_labels_have_the_colours_of_their_classes_and_denied_ones_are_darker() -> None:
    codes = np.array([[0, 1, 2], [NOT + 1, NODATA, 5]], np.uint8)
    shown = label_colours(codes, ISPRS)
    assert [tuple(shown[0, k]) for k in range(3)] == [c.drawn for c in ISPRS.classes[:3]]
    assert shown[1, 0].sum() < shown[0, 1].sum()
    assert len(set(shown[1, 1].tolist())) == 1  # grey


def test_samples_lie_in_rows_each_with_its_label_below() -> None:
    rng = np.random.default_rng(1)
    samples = [(rng.integers(0, 255, (3, 16, 16)).astype(np.uint8), np.full((16, 16), k, np.uint8)) for k in range(5)]
    sheet = contact_sheet(samples, ISPRS, columns=3)
    assert sheet.dtype == np.uint8
    assert sheet.shape[2] == 3
    assert sheet.shape[0] > 2 * 32
    assert sheet.shape[1] >= 3 * 16
    for _, codes in samples:
        colour = ISPRS.classes[codes[0, 0]].drawn
        assert ((sheet == colour).all(2)).sum() >= 16 * 16


def test_curves_and_matrices_are_pictures_also_where_little_is_known() -> None:
    rows = [{"step": 1.0, "loss": 0.5, "mean_iou": None}, {"step": 2.0, "loss": 0.25, "mean_iou": 0.5}]
    for data in (
        curves_png(rows, [1, 2]),
        curves_png(rows[:1], []),
        confusion_png(np.array([[3, 1], [0, 0]]), ["a", "b"], "title"),
    ):
        with Image.open(io.BytesIO(data)) as picture:
            assert min(picture.size) > 100
