"""Tiled = whole, and the same on every engine: on the trained weights that geoseg ships."""

from __future__ import annotations

import itertools
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

from geoseg.geometry.lattice import Lattice
from geoseg.models.facts import Conversion, Normalise
from geoseg.models.files import load_model, shipped_model
from geoseg.models.network import build_network
from geoseg.networks.unet_mobilenet import RADIUS, STRIDE
from geoseg.predict.blend import Strip
from geoseg.predict.cpu import CpuBackend
from geoseg.predict.cuda import DeviceBackend
from geoseg.predict.engines import ENGINES, available
from geoseg.predict.stream import stream_panel
from geoseg.predict.wrap import TTA, Wrapped
from geoseg.scenes.scene import Scene


@pytest.fixture(scope="module")
def model():
    return load_model(shipped_model())


@pytest.fixture(scope="module")
def scene():
    """A drawn photo (3, 640, 800), standardised for the shipped network."""
    tile = Scene(424_242, 64, 80, 0.1).tile(0, 0, 640, 800)
    return np.moveaxis(tile.image[..., :3], 2, 0).astype(np.float32)


def standardised(scene, model):
    mean, std = (np.array(v, np.float32)[:, None, None] for v in (model.card.mean, model.card.std))
    return (scene - mean) / std


def test_the_shipped_margin_covers_the_radius(model):
    card = model.card
    assert card.margin >= RADIUS
    assert card.margin % STRIDE == card.patch % STRIDE == (card.patch - card.overlap) % STRIDE == 0
    assert shipped_model().stat().st_size <= 12e6


def test_tiled_scores_equal_the_whole_image(model, scene):
    """Patches blended over the lattice against one pass over all of it, on trained weights."""
    network = build_network(model)
    lattice = Lattice(640, 416, 192)
    x = standardised(scene, model)
    high, wide = x.shape[1:]
    around = 704  # mean (0) all around, as the stream feeds it
    padded = np.pad(x, ((0, 0), (around, around), (around, around)))
    with torch.inference_mode():
        whole = network(torch.from_numpy(padded[None]))[0].numpy()[:, around : around + high, around : around + wide]
    weights = lattice.weights()
    tiled = np.zeros_like(whole)
    for k in lattice.touching(0, high):
        strip = Strip((0, 1, 2, 3, 4, 5), weights, lattice.margin, wide, 1.0)
        for j in lattice.touching(0, wide):
            row, col = lattice.start(k) + around, lattice.start(j) + around
            with torch.inference_mode():
                scores = network(torch.from_numpy(padded[None, :, row : row + 640, col : col + 640]))[0].numpy()
            strip.add(scores, j * lattice.stride)
        top = k * lattice.stride
        rows = slice(max(0, top), min(high, top + strip.inner))
        tiled[:, rows] += strip.sums[:, rows.start - top : rows.stop - top]
    assert np.abs(tiled - whole).max() < 1e-5 * max(1.0, np.abs(whole).max())


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

    stream_panel(read, lambda w: np.ones((w.height, w.width), bool), lattice, Window(0, 0, wide, high), backend, sink)
    backend.close()
    return out


def cpu_backend(model, engine, lattice, precision="f32", **how):
    card = model.card
    wrapped = Wrapped([build_network(model)], [False], [1.0], lattice.patch).eval()
    score = ENGINES[engine](
        wrapped, (how.get("batch", 1), 3, lattice.patch, lattice.patch), precision, how.get("lanes", 1)
    )
    normalise = Normalise(np.array(card.mean, np.float32), np.array(card.std, np.float32))
    return CpuBackend(score, Conversion(normalise, card.classes.values, card.temperature), **how)


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
    conversion = Conversion(normalise, card.classes.values, card.temperature)
    backend = DeviceBackend(wrapped, conversion, device="cpu", precision="f32", batch=4)
    other = stream(scene, backend, LATTICE)
    assert (other[0] == eager[0]).mean() >= 0.9999
    assert np.abs(other[1].astype(int) - eager[1]).max() <= 1


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(model, scene, eager):
    card = model.card
    wrapped = Wrapped([build_network(model)], [False], [1.0], LATTICE.patch)
    normalise = Normalise(np.array(card.mean, np.float32), np.array(card.std, np.float32))
    conversion = Conversion(normalise, card.classes.values, card.temperature)
    backend = DeviceBackend(wrapped, conversion, device="cuda", batch=8)
    assert (stream(scene, backend, LATTICE)[0] == eager[0]).mean() >= 0.999


def test_the_shipped_network_is_worth_running(scene, eager):
    labels = Scene(424_242, 64, 80, 0.1).labels(0, 0, 640, 800)
    assert (eager[0] == labels).mean() > 0.85


@pytest.mark.parametrize("tta", list(TTA))
def test_augmentation_undoes_itself(tta):
    """A network that returns its input gives it back through every turn and flip."""
    x = torch.randn(2, 3, 24, 24)
    wrapped = Wrapped([torch.nn.Identity()], [False], [1.0], 24, tta=tta)
    assert torch.allclose(wrapped(x), x, atol=1e-6)


def test_an_ensemble_of_one_network_twice_ranks_like_it():
    x = torch.randn(1, 4, 16, 16)
    twice = Wrapped([torch.nn.Identity(), torch.nn.Identity()], [False, False], [2.0, 2.0], 16)(x)
    assert torch.allclose(twice, (x / 2).log_softmax(1), atol=1e-6)


def test_resampling_keeps_a_smooth_picture():
    y, x = torch.meshgrid(torch.linspace(0, 3, 96), torch.linspace(0, 3, 96), indexing="ij")
    picture = torch.stack([torch.sin(x + y), torch.cos(x)])[None]
    for ratio in (Fraction(1, 2), Fraction(2), Fraction(4, 3), Fraction(2, 3)):
        out = Wrapped([torch.nn.Identity()], [False], [1.0], 96, ratio)(picture)
        assert out.shape == picture.shape
        assert float((out - picture)[..., 4:-4, 4:-4].abs().max()) < 0.02


def test_no_engine_reports_home(model):
    """OpenVINO's telemetry is never loaded: geoseg opens no connection of its own."""
    if not available("openvino"):
        pytest.skip("openvino is not installed")
    code = (
        "import sys, torch\n"
        "from geoseg.predict.engines import ENGINES\n"
        "ENGINES['openvino'](torch.nn.Conv2d(3, 2, 1), (1, 3, 32, 32), 'f32', 1)\n"
        "assert sys.modules.get('openvino_telemetry') is None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_each_row_is_read_once_and_in_order():
    """Guarantee 7: the windows that a panel asks its reader for do not overlap and leave no row out."""
    from rasterio.windows import Window

    lattice, panel = Lattice(64, 24, 4), Window(30, -10, 200, 900)
    asked = []

    def read(w):
        asked.append((w.row_off, w.row_off + w.height, w.col_off, w.width))
        return np.full((1, w.height, w.width), 3, np.uint8), np.ones((w.height, w.width), bool)

    normalise = Normalise(np.zeros(1, np.float32), np.ones(1, np.float32))
    backend = CpuBackend(lambda p: np.repeat(p, 2, axis=1), Conversion(normalise, (0, 1), 1.0))
    stream_panel(read, lambda w: None, lattice, panel, backend, lambda rows: None)
    backend.close()
    assert all(a[1] == b[0] and a[2:] == b[2:] for a, b in itertools.pairwise(asked))
    assert asked[0][0] <= panel.row_off
    assert asked[-1][1] >= panel.row_off + panel.height
