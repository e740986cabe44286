"""What the laws compare with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, blur_network: Path) -> tuple[Path, np.ndarray, Path]:
    """(sheets, photo, run) of two sheets with an irregular hole, done in one block."""
    from runs import photo, whole_run
    from support import PLACE, moved, write_sheet

    folder = tmp_path_factory.mktemp("reference")
    image = photo(300, 340)
    image[:, 100:140, 150:210] = 0
    write_sheet(folder / "in/a.tif", image[:, :, :200], nodata=0)
    write_sheet(folder / "in/b.tif", image[:, :, 170:], place=moved(PLACE, 170, 0), nodata=0)
    return folder / "in", image, whole_run(folder / "in", folder / "run", blur_network, 512)
