"""Samples that anyone draws alike, wherever and whenever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import RGB, write_sheet

from geoseg.classes import ISPRS
from geoseg.datasets.folders import ImageFacts, pair_items
from geoseg.datasets.legend import table_legend
from geoseg.datasets.samples import Batches, Crop, LabelledSet, Samples, class_places, loader
from geoseg.datasets.sets import labelled_sets
from geoseg.learn.augment import NONE, Augmentation
from geoseg.learn.settings import DataSection

FILL = (100.0, 110.0, 120.0)


def _scene_samples(**more: object) -> Samples:
    section = DataSection(kind="scenes", seed=5, count=2, metres=16, pixel_sizes=(0.2, 0.25))
    sets = labelled_sets([section], ISPRS, RGB, None)["train"]
    return Samples(tuple(sets), **{"crop": Crop(48, 0.2, FILL), "augmentation": Augmentation(), "seed": 3, **more})  # type: ignore[arg-type]


def test_sample_i_is_the_same_for_everyone() -> None:
    one, other = _scene_samples(), _scene_samples()
    for i in (4, 0, 9):
        a, b = one[i], other[i]
        assert (a[0] == b[0]).all()
        assert (a[1] == b[1]).all()
    assert any((one[0][0] != one[k][0]).any() for k in range(1, 4))
    assert (_scene_samples(seed=4)[0][0] != one[0][0]).any()


def test_loaders_and_restarts_do_not_change_samples() -> None:
    samples = _scene_samples()
    straight = list(loader(samples, Batches(0, 4, 2), workers=0))
    resumed = list(loader(samples, Batches(2, 4, 2), workers=0))
    assert all((a[0] == b[0]).all() for a, b in zip(straight[2:], resumed, strict=True))
    ranks = [list(loader(samples, Batches(0, 2, 2, r, 2), workers=0)) for r in (0, 1)]
    assert (ranks[0][1][0] == straight[2][0]).all()
    assert (ranks[1][0][0] == straight[1][0]).all()


@pytest.mark.slow
def test_workers_do_not_change_samples() -> None:
    samples = _scene_samples()
    for a, b in zip(
        loader(samples, Batches(0, 3, 2), workers=0), loader(samples, Batches(0, 3, 2), workers=2), strict=True
    ):
        assert (a[0] == b[0]).all()
        assert (a[1] == b[1]).all()


def test_rare_classes_are_sought(tmp_path: Path) -> None:
    labels = np.zeros((512, 512), np.uint8)
    labels[300:320, 100:120] = 4
    write_sheet(tmp_path / "a_RGB.tif", np.zeros((3, 512, 512), np.uint8))
    write_sheet(tmp_path / "a_label.tif", labels)
    items = pair_items(tmp_path, "*_RGB.tif", "*_label.tif", table_legend(ISPRS), ImageFacts())
    assert (labels[tuple(class_places(items[0])[4].T)] == 4).all()
    sets = (LabelledSet("a", tuple(items)),)

    def share(balance: float) -> float:
        samples = Samples(sets, Crop(64, 0.1, FILL), NONE, 0, balance)
        return float(np.mean([(samples[i][1] == 4).any() for i in range(60)]))

    assert share(1.0) > 0.4 > 0.15 > share(0.0)
