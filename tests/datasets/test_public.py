"""Pascal VOC and Cityscapes as released."""

from __future__ import annotations

from pathlib import Path

import layouts
import pytest
from layouts import labels_of

from geoseg.classes import NODATA
from geoseg.datasets.public import CITYSCAPES, VOC, cityscapes_items, voc_items
from geoseg.errors import UsageError
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
