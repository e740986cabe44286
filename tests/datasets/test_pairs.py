"""Photos and labels by name: never itself, never a guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.datasets.pairs import is_label_name, pair_labels, stem_of
from geoseg.errors import UsageError


def _files(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [root / n for n in names]


def test_names_tell_photo_from_label() -> None:
    assert stem_of(Path("top_potsdam_2_10_RGB.tif")) == stem_of(Path("top_potsdam_2_10_label_noBoundary.tif"))
    assert is_label_name(Path("a_mask.png"))
    assert not is_label_name(Path("a_RGB.tif"))
    assert not is_label_name(Path("label.tif"))


def test_a_photo_is_never_its_own_label(tmp_path: Path) -> None:
    files = _files(tmp_path, "a_RGB.tif", "a_label.tif", "b_RGB.tif", "b.png")
    a, b = files[0], files[2]
    assert pair_labels([a, b], files, tmp_path) == {a: files[1], b: files[3]}
    with pytest.raises(UsageError, match=r"a_RGB.tif: has no label in .*expected a name like a_label.tif"):
        pair_labels([a], [a], tmp_path)
    (raster,) = _files(tmp_path, "out/a_RGB_classes.tif")
    with pytest.raises(UsageError, match="has no label"):
        pair_labels([raster], [a], tmp_path, photos=[a])
    assert pair_labels([raster], files, tmp_path) == {raster: files[1]}


def test_a_label_and_one_without_boundaries(tmp_path: Path) -> None:
    a, label, bare = _files(tmp_path, "a.tif", "a_label.tif", "a_label_noBoundary.tif")
    with pytest.raises(UsageError, match=r"2 files.*a_label.tif, .*noBoundary.tif.*'\*_label.tif'.*--boundary"):
        pair_labels([a], [label, bare], tmp_path)
    assert pair_labels([a], [label, bare], tmp_path, boundary="noBoundary") == {a: bare}
    assert pair_labels([a], [label, bare], tmp_path, boundary="all") == {a: label}
    assert pair_labels([a], [label, bare], tmp_path, boundary="eroded") == {a: label}
    assert pair_labels([a], [bare], tmp_path, boundary="all") == {a: bare}


def test_two_folders_with_one_name(tmp_path: Path) -> None:
    a, first, second = _files(tmp_path, "a.tif", "2019/a_label.tif", "2020/a_label.tif")
    with pytest.raises(UsageError, match=r"2 files.*2019.*2020.*--labels-pattern, for instance '2019/\*_label.tif'"):
        pair_labels([a], [first, second], tmp_path)
    with pytest.raises(UsageError, match=r"choose with `labels`"):
        pair_labels([a], [first, second], tmp_path, option="`labels`", boundary="all")
