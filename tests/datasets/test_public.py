"""Pascal VOC and Cityscapes as released."""

from __future__ import annotations

from pathlib import Path

import layouts
import numpy as np
import pytest
from layouts import labels_of
from rasterio.windows import Window
from support import RGB

from geoseg.classes import ISPRS, NODATA
from geoseg.datasets.items import read_item
from geoseg.datasets.public import CITYSCAPES, VOC, cityscapes_items, voc_items
from geoseg.datasets.sets import labelled_sets
from geoseg.errors import UsageError
from geoseg.learn.settings import DataSection
from geoseg.sheets.images import read_picture


def test_voc_palette_and_void(tmp_path: Path) -> None:
    parts = voc_items(layouts.voc(tmp_path))
    assert len(parts["train"]) == len(parts["validation"]) == 3
    labels = labels_of(parts["train"][0])
    assert (labels[::16] == NODATA).all()  # void 255 is not a class
    assert labels[1:16].max() < 21
    assert VOC.classes[1].colour == (128, 0, 0)
    assert VOC.classes[15].colour == (192, 128, 128)
    with pytest.raises(UsageError, match="VOCdevkit"):
        voc_items(tmp_path / "nothing")


def test_cityscapes_ids_become_train_ids(tmp_path: Path) -> None:
    parts = cityscapes_items(layouts.cityscapes(tmp_path))
    assert len(parts["train"]) == len(parts["validation"]) == 2
    raw = read_picture(Path(parts["train"][0].labels.path), "as is")[0]
    labels = labels_of(parts["train"][0])
    assert (labels[raw == 7] == 0).all()
    assert (labels[raw == 26] == 13).all()
    assert (labels[raw == 0] == NODATA).all()
    assert len(CITYSCAPES) == 19


def test_whole_photos_resized(tmp_path: Path) -> None:
    """Labels lie on the resized photo as they lay on the whole one; other kinds of images are refused."""
    section = {"kind": "voc", "root": str(layouts.voc(tmp_path)), "resize": [48, 32]}
    sets = labelled_sets([DataSection.model_validate(section)], VOC, RGB, None)
    item = sets["train"][0].items[0]
    image, labels, valid = read_item(item, Window(0, 0, 32, 48))
    assert (image.shape, labels.shape, valid.all()) == ((3, 48, 32), (48, 32), True)
    whole = labels_of(voc_items(tmp_path)["train"][0])
    high, wide = whole.shape
    assert labels[10, 20] == whole[int(10.5 * high / 48), int(20.5 * wide / 32)]
    part = read_item(item, Window(5, 7, 20, 30))
    assert np.array_equal(part[0], image[:, 7:37, 5:25])
    assert np.array_equal(part[1], labels[7:37, 5:25])
    with pytest.raises(UsageError, match="whole PNG or JPEG pictures"):
        labelled_sets([DataSection(kind="scenes", resize=(64, 64))], ISPRS, RGB, None)
