"""Compiled code finds a place to be kept, or is compiled in memory; a folder of somebody else is never trusted."""

from __future__ import annotations

import logging
from pathlib import Path

import numba
import numpy as np
import pytest

from geoseg import kernel


@pytest.fixture(autouse=True)
def _unknown(monkeypatch) -> None:
    """No place is known yet, and the usual ones are read-only."""
    kernel._can_cache.cache_clear()
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(kernel, "_usual_places", lambda: (Path("/proc/none"),))
    yield
    kernel._can_cache.cache_clear()


def _temporary(monkeypatch, folder: Path) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(folder))


def test_a_private_folder_takes_compiled_code_where_nothing_else_can(tmp_path, monkeypatch) -> None:
    _temporary(monkeypatch, tmp_path)
    assert kernel._can_cache()
    (place,) = tmp_path.iterdir()
    assert str(place) == numba.config.CACHE_DIR
    assert place.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("found", ["open to others", "a link", "a file"])
def test_a_folder_that_others_could_write_to_is_not_used(tmp_path, monkeypatch, caplog, found) -> None:
    """numba unpickles what lies in its cache."""
    _temporary(monkeypatch, tmp_path)
    assert kernel._can_cache()
    (place,) = tmp_path.iterdir()
    if found == "open to others":
        place.chmod(0o777)
    else:
        place.rmdir()
        (tmp_path / "other").mkdir()
        place.symlink_to(tmp_path / "other") if found == "a link" else place.write_text("x")
    kernel._can_cache.cache_clear()
    numba.config.CACHE_DIR = ""
    with caplog.at_level(logging.WARNING):
        assert not kernel._can_cache()
    assert len(caplog.records) == 1
    assert "NUMBA_CACHE_DIR" in caplog.text


def test_without_any_place_kernels_compute_all_the_same(tmp_path, monkeypatch) -> None:
    _temporary(monkeypatch, Path("/proc/none"))

    @kernel.kernel
    def total(values: np.ndarray) -> float:
        found = 0.0
        for value in values:
            found += value
        return found

    assert total(np.arange(4.0)) == 6.0
