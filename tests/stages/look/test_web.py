"""The report and the web map in a browser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoseg.stages.look.web import web_map

CHROMIUM = next((c for c in ("chromium", "chromium-browser", "google-chrome") if shutil.which(c)), "")


def _photographed(page: Path, picture: Path) -> np.ndarray:
    """What headless Chromium shows of a local page."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900", "--hide-scrollbars"]
    flags = ["--virtual-time-budget=8000", f"--user-data-dir={picture.parent / 'profile'}", f"--screenshot={picture}"]
    done = subprocess.run([*command, *flags, page.as_uri()], capture_output=True, timeout=120, check=False)
    assert picture.is_file(), done.stderr[-500:]
    return np.asarray(Image.open(picture).convert("RGB"))


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium")
def test_report_and_web_map_open_in_a_browser(finished, tmp_path):
    run, _ = finished
    page = web_map(run, tmp_path / "map.html")
    text = page.read_text()
    assert "http://" not in text
    assert "https://" not in text
    for source in (page, run / "out/report.html"):
        picture = _photographed(source, tmp_path / f"{source.stem}.png")
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 2000  # photo and layers, no blank page
    middle = _photographed(page, tmp_path / "again.png")[200:700, 400:900].astype(int)
    roofs = (middle[..., 0] - middle[..., 1:].max(-1)) > 60
    assert roofs.sum() > 200  # red outlines of buildings
