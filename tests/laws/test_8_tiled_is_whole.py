"""Guarantee 8: tiled scores equal those of the whole image, on the trained weights that geoseg ships."""

from __future__ import annotations

import numpy as np
import torch

from geoseg.geometry.lattice import Lattice
from geoseg.models.files import shipped_model
from geoseg.models.load import build_network
from geoseg.networks.unet_mobilenet import RADIUS, STRIDE
from geoseg.predict.blend import Strip
from geoseg.predict.weights import blend_weights


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
    weights = blend_weights(lattice)
    tiled = np.zeros_like(whole)
    for k in lattice.touching(0, high):
        strip = Strip((0, 1, 2, 3, 4, 5), weights, lattice.margin, wide, 1.0, len(model.card.aux))
        for j in lattice.touching(0, wide):
            row, col = lattice.start(k) + around, lattice.start(j) + around
            with torch.inference_mode():
                scores = network(torch.from_numpy(padded[None, :, row : row + 640, col : col + 640]))[0].numpy()
            strip.add(scores, j * lattice.stride)
        top = k * lattice.stride
        rows = slice(max(0, top), min(high, top + strip.inner))
        tiled[:, rows] += strip.sums[:, rows.start - top : rows.stop - top]
    assert np.abs(tiled - whole).max() < 1e-5 * max(1.0, np.abs(whole).max())
