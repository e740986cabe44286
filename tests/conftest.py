"""Fixtures of all rooms. Nothing heavy is imported before a test asks for it: a test of arithmetic starts fast."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from geoseg.arrays import Floats
    from geoseg.models.files import ModelFile
    from geoseg.options import InferOptions
    from geoseg.stages.mosaic.mosaic import MosaicReport

settings.register_profile("geoseg", deadline=None)  # the first call of a kernel compiles it
settings.load_profile("geoseg")

HERE = Path(__file__).parent

# --- which tests are fast

FAST_ROOMS = (
    ".", "datasets", "docs", "geometry", "gis", "metrics", "night", "options", "runfolder", "scenes", "sheets",
    "stages/features", "stages/look", "stages/mosaic", "stages/tile", "vectorize", "work",
)  # fmt: skip
"""Rooms whose code needs no torch; their tests are fast but for those of `SLOW_FILES` and users of `COMPUTING`."""

SLOW_FILES = frozenset(
    {
        "test_api.py", "datasets/test_items.py", "datasets/test_public.py", "datasets/test_samples.py",
        "datasets/test_sets.py", "datasets/test_shapes.py", "datasets/test_tables.py", "gis/test_qgis.py",
        "night/test_forecast.py", "night/test_night.py",
        "night/test_publish.py", "runfolder/test_faults.py", "sheets/test_decoder.py", "sheets/test_door.py",
        "scenes/test_scene.py", "sheets/test_hostile.py", "sheets/test_photo.py", "stages/features/test_sector.py",
        "stages/look/test_verify.py", "stages/mosaic/test_finish.py", "stages/mosaic/test_rasters.py",
        "stages/mosaic/test_work.py", "stages/tile/test_tile.py", "work/test_dask.py",
    }
)  # fmt: skip
"""Files that import torch, start processes or take their time."""

COMPUTING = frozenset(
    {
        "truth_network", "blur_network", "geoseg", "finished", "finished_copy", "town", "drawn_town", "job", "alone",
        "planned", "two_workers", "model", "little_town",
    }
)  # fmt: skip
"""Fixtures that run networks, stages, commands or workers."""


def _holds_fast(path: Path) -> bool:
    """Whether a file holds fast tests."""
    path = path.relative_to(HERE)
    return path.parent.as_posix() in FAST_ROOMS and path.as_posix() not in SLOW_FILES


def _is_fast(item: pytest.Item) -> bool:
    if not _holds_fast(item.path) or any(item.get_closest_marker(name) for name in ("slow", "gpu", "qgis")):
        return False
    return not COMPUTING & set(getattr(item, "fixturenames", ()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is fast; the files that take long come first, so that no process is left with one at the end."""
    for item in items:
        if _is_fast(item):
            item.add_marker("fast")
    items.sort(key=lambda item: (_holds_fast(item.path), item.path.parent.name != "laws"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m fast` files without fast tests are not even imported."""
    wanted = config.option.markexpr == "fast" and collection_path.name.startswith("test_")
    return True if wanted and not _holds_fast(collection_path) else None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What calls itself fast imports no torch."""
    if session.config.option.markexpr == "fast" and "torch" in sys.modules:
        session.exitstatus = 1
        print("\na test that is marked fast imports torch", file=sys.stderr)


# --- networks whose answer is known


@pytest.fixture(scope="session")
def truth_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network file that gives back the first band as classes."""
    from fakes import BandNetwork, save_network

    return save_network(tmp_path_factory.mktemp("model") / "truth.pt", BandNetwork())


@pytest.fixture(scope="session")
def blur_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network file whose scores hang on their surroundings."""
    from fakes import BlurNetwork, save_network

    return save_network(
        tmp_path_factory.mktemp("model") / "blur.pt", BlurNetwork(), mean=[100.0] * 3, std=[50.0] * 3, margin=4
    )


# --- the command line


@pytest.fixture
def geoseg(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the real command line in this process: (*arguments) -> (exit code, stdout, stderr)."""
    from geoseg.cli.main import main

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        before = sys.argv
        sys.argv = ["geoseg", *map(str, arguments)]
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        finally:
            sys.argv = before
            logging.getLogger().handlers.clear()
        out, err = capsys.readouterr()
        return int(code or 0), out, err

    return run


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """A sheet of noise, 220 x 200 px."""
    import numpy as np
    from support import write_sheet

    rng = np.random.default_rng(2)
    return write_sheet(tmp_path / "s.tif", rng.integers(0, 255, (3, 200, 220)).astype(np.uint8))


# --- runs


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, blur_network: Path) -> tuple[Path, MosaicReport]:
    """A finished run over the project's own sample sheets; it is only looked at."""
    from support import SAMPLE

    from geoseg.options import InferOptions, MosaicOptions, TileOptions
    from geoseg.stages.infer.infer import infer
    from geoseg.stages.mosaic.mosaic import mosaic
    from geoseg.stages.tile.tile import tile

    run = tmp_path_factory.mktemp("outputs") / "town"
    tile([SAMPLE / "sheets"], run, TileOptions(block_size=512))
    infer(run, InferOptions(model=(blur_network,), engine="torch", probabilities=True))
    return run, mosaic(run, MosaicOptions(min_area=0.5, all_cars=True))


@pytest.fixture
def finished_copy(finished: tuple[Path, MosaicReport], tmp_path: Path) -> tuple[Path, MosaicReport]:
    """The same, of one's own."""
    run, report = finished
    shutil.copytree(run, tmp_path / "town")
    return tmp_path / "town", report


@pytest.fixture
def town(tmp_path: Path, blur_network: Path) -> tuple[Path, Path, Callable[..., object]]:
    """(sheets, run, a night of it): six sheets of 128 px."""
    from runs import PLAIN, town_sheet

    from geoseg.night.stages import run_stages
    from geoseg.options import InferOptions, MosaicOptions, NightOptions, RunOptions, TileOptions

    sheets, run = tmp_path / "sheets", tmp_path / "run"
    for col in range(3):
        for row in range(2):
            town_sheet(sheets, col, row, 10 * col + row)

    def night(run: Path = run, *, date: str = "", mosaic: MosaicOptions = PLAIN, **tiling: object) -> object:
        inference = InferOptions(model=(blur_network,), engine="torch", precision="f32", threads=1)
        options = RunOptions(TileOptions(block_size=64, **tiling), inference, mosaic, night=NightOptions(date=date))
        return run_stages([sheets], run, options)

    return sheets, run, night


@pytest.fixture(scope="session")
def drawn_town(tmp_path_factory: pytest.TempPathFactory, truth_network: Path) -> Path:
    """A run over a drawn town of 900 x 1200 px whose classes the network gives back; its outputs come and go."""
    import numpy as np
    from support import write_sheet

    from geoseg.options import InferOptions, TileOptions
    from geoseg.scenes.scene import Scene
    from geoseg.stages.infer.infer import infer
    from geoseg.stages.tile.tile import tile

    folder = tmp_path_factory.mktemp("town")
    scene = Scene(123, 120.0, 90.0, 0.1)
    labels = scene.labels(0, 0, *scene.shape)
    write_sheet(folder / "s/a.tif", np.stack([labels] * 3), compress="deflate")
    run = folder / "run"
    tile([folder / "s"], run, TileOptions(block_size=256))
    infer(run, InferOptions(model=(truth_network,), engine="torch", precision="f32", threads=1))
    return run


# --- work that is shared out


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, InferOptions]:
    """(planned run, options): twelve sheets side by side, 16 blocks and more."""
    import numpy as np
    from fakes import SlowBlur, save_network
    from support import PLACE, moved, write_sheet

    from geoseg.options import InferOptions, TileOptions
    from geoseg.stages.tile.tile import tile

    folder = tmp_path_factory.mktemp("scale")
    model = save_network(folder / "blur.pt", SlowBlur(), patch=64, overlap=16, margin=0)
    rng = np.random.default_rng(3)
    for k in range(12):
        row, col = divmod(k, 4)
        pixels = rng.integers(0, 255, (3, 128, 128), np.uint8)
        write_sheet(
            folder / f"sheets/s{k:02}.tif", pixels, place=moved(PLACE, 128 * col, 128 * row), compress="deflate"
        )
    run = folder / "run"
    tile([folder / "sheets"], run, TileOptions(block_size=96))
    return run, InferOptions(model=(model,), engine="torch", precision="f32", threads=1)


@pytest.fixture(scope="session")
def done_alone(job: tuple[Path, InferOptions], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of `job` when one process has computed all its blocks."""
    from geoseg.stages.infer.infer import infer

    run = tmp_path_factory.mktemp("alone") / "run"
    shutil.copytree(job[0], run)
    infer(run, job[1])
    return run


@pytest.fixture(scope="session")
def alone(done_alone: Path) -> dict[str, str]:
    """Hashes of the blocks when one process does them all."""
    from support import block_hashes

    return block_hashes(done_alone)


@pytest.fixture
def planned(job: tuple[Path, InferOptions], tmp_path: Path) -> Path:
    """A copy of the planned run of `job`."""
    run = tmp_path / "run"
    shutil.copytree(job[0], run)
    return run


@pytest.fixture(scope="module")
def two_workers() -> Iterator[object]:
    """A local cluster of two; for tests that leave it as it was."""
    from geoseg.work.executor import executor

    with executor(workers=2) as two:
        yield two


@pytest.fixture(scope="session")
def model() -> ModelFile:
    """The network that geoseg ships."""
    from geoseg.models.files import load_model, shipped_model

    return load_model(shipped_model())


@pytest.fixture(scope="session")
def scene() -> Floats:
    """A drawn photo (3, 640, 800), whole numbers from 0 to 255 as float32."""
    import numpy as np

    from geoseg.scenes.scene import Scene

    tile = Scene(424_242, 64, 80, 0.1).tile(0, 0, 640, 800)
    return np.moveaxis(tile.image[..., :3], 2, 0).astype(np.float32)


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[str, list[object]]]:
    """(address, connections made to it): a server that nobody should call."""
    import socket
    import threading

    calls: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def count() -> None:
            while True:
                try:
                    calls.append(server.accept())
                except OSError:
                    return

        threading.Thread(target=count, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", calls
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    """geoseg's logger as it is in a fresh process: a command that was run with --quiet must not silence later tests."""
    logging.getLogger("geoseg").setLevel(logging.NOTSET)
    yield
    logging.getLogger("geoseg").setLevel(logging.NOTSET)
