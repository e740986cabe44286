"""All engines give the same, on the trained weights that geoseg ships."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from geoseg import options
from geoseg.geometry.lattice import Lattice
from geoseg.gis.vector_formats import FORMATS, POSTGIS
from geoseg.models.facts import Conversion, Normalise
from geoseg.models.load import build_network
from geoseg.predict.cpu import CpuBackend
from geoseg.predict.cuda import DeviceBackend
from geoseg.predict.engines import ENGINES, available
from geoseg.predict.stream import Ends, stream_panel
from geoseg.predict.wrap import TTA, Wrapped
from geoseg.scenes.scene import Scene


def stream(scene, backend, lattice):
    """Class and confidence (2, H, W) of a scene by the streaming engine."""
    from rasterio.windows import Window

    high, wide = scene.shape[1:]
    pixels = scene.astype(np.uint8)

    def read(w):
        image, valid = np.zeros((3, w.height, w.width), np.uint8), np.zeros((w.height, w.width), bool)
        r0, r1, c0, c1 = (
            max(0, w.row_off),
            min(high, w.row_off + w.height),
            max(0, w.col_off),
            min(wide, w.col_off + w.width),
        )
        if r1 > r0 and c1 > c0:
            image[:, r0 - w.row_off : r1 - w.row_off, c0 - w.col_off : c1 - w.col_off] = pixels[:, r0:r1, c0:c1]
            valid[r0 - w.row_off : r1 - w.row_off, c0 - w.col_off : c1 - w.col_off] = True
        return image, valid

    out = np.full((2, high, wide), 255, np.uint8)

    def sink(rows):
        out[0, rows.row : rows.row + len(rows.classes)] = rows.classes
        out[1, rows.row : rows.row + len(rows.confidence)] = rows.confidence

    ends = Ends(read, sink, lambda w: [w], lambda w: np.ones((w.height, w.width), bool))
    stream_panel(ends, lattice, Window(0, 0, wide, high), backend)
    backend.close()
    return out


def cpu_backend(model, engine, lattice, precision="f32", **how):
    card = model.card
    wrapped = Wrapped([build_network(model)], [False], [1.0], lattice.patch).eval()
    score = ENGINES[engine](
        wrapped, (how.get("batch", 1), 3, lattice.patch, lattice.patch), precision, how.get("lanes", 1)
    )
    normalise = Normalise(np.array(card.mean, np.float32), np.array(card.std, np.float32))
    return CpuBackend(score, Conversion(normalise, card.classes.values, card.temperature, aux=len(card.aux)), **how)


LATTICE = Lattice(640, 416, 192)


@pytest.fixture(scope="module")
def eager(model, scene):
    return stream(scene, cpu_backend(model, "torch", LATTICE), LATTICE)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_engines_agree_with_eager(model, scene, eager, engine):
    if not available(engine):
        pytest.skip(f"{engine} is not installed")
    other = stream(scene, cpu_backend(model, engine, LATTICE), LATTICE)
    assert (other[0] == eager[0]).mean() >= 0.9999
    assert np.abs(other[1].astype(int) - eager[1]).max() <= 2


def test_the_device_path_agrees_with_the_cpu_path(model, scene, eager):
    """The CUDA backend's code, run on the CPU."""
    card = model.card
    wrapped = Wrapped([build_network(model)], [False], [1.0], LATTICE.patch)
    normalise = Normalise(np.array(card.mean, np.float32), np.array(card.std, np.float32))
    conversion = Conversion(normalise, card.classes.values, card.temperature, aux=len(card.aux))
    backend = DeviceBackend(wrapped, conversion, device="cpu", precision="f32", batch=4)
    other = stream(scene, backend, LATTICE)
    assert (other[0] == eager[0]).mean() >= 0.9999
    assert np.abs(other[1].astype(int) - eager[1]).max() <= 1


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(model, scene, eager):
    card = model.card
    wrapped = Wrapped([build_network(model)], [False], [1.0], LATTICE.patch)
    normalise = Normalise(np.array(card.mean, np.float32), np.array(card.std, np.float32))
    conversion = Conversion(normalise, card.classes.values, card.temperature, aux=len(card.aux))
    backend = DeviceBackend(wrapped, conversion, device="cuda", batch=8)
    assert (stream(scene, backend, LATTICE)[0] == eager[0]).mean() >= 0.999


def test_the_shipped_network_is_worth_running(scene, eager):
    labels = Scene(424_242, 64, 80, 0.1).labels(0, 0, 640, 800)
    assert (eager[0] == labels).mean() > 0.85


def test_no_engine_reports_home(model):
    """OpenVINO's telemetry is never loaded: geoseg opens no connection of its own."""
    if not available("openvino"):
        pytest.skip("openvino is not installed")
    code = (
        "import sys, torch\n"
        "from geoseg.predict.engines import ENGINES, supports_bf16\n"
        "supports_bf16('openvino')\n"
        "ENGINES['openvino'](torch.nn.Conv2d(3, 2, 1), (1, 3, 32, 32), 'f32', 1)\n"
        "assert sys.modules.get('openvino_telemetry') is None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_names_that_options_offer_are_those_that_there_are() -> None:
    """Options know no torch and no GDAL, so they list them themselves."""
    assert ("auto", *ENGINES) == options.ENGINES
    assert tuple(TTA) == options.TTA
    assert (*FORMATS, POSTGIS) == options.VECTOR_FORMATS
