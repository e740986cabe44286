"""Pictures of training and evaluation: curves, contact sheets of samples, confusion matrices, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from geoseg.arrays import Bytes, Image, Ints
from geoseg.classes import NODATA, NOT, ClassTable
from geoseg.learn.checkpoint import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion_png", "contact_sheet", "curves_png", "label_colours"]


def label_colours(codes: Bytes, table: ClassTable) -> Bytes:
    """Label codes (H, W) as RGB uint8 (H, W, 3): class colours, dark ones for "not k", grey for not known."""
    palette = np.full((256, 3), 128, np.uint8)
    for i, c in enumerate(table.classes):
        palette[i] = c.drawn
        palette[NOT + i] = np.array(c.drawn) // 3
    palette[NODATA] = 128
    return np.asarray(palette[codes], np.uint8)


def contact_sheet(
    samples: Sequence[tuple[Image, Bytes]], table: ClassTable, *, full: float = 255.0, columns: int = 6
) -> Bytes:
    """Samples, image (C, S, S) and codes (S, S), as one picture uint8 (H, W, 3): each image with its label below.

    `full` is the value of the brightest pixel.
    """
    side = samples[0][1].shape[0]
    cells = []
    for image, codes in samples:
        rgb = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, 0)
        rgb = rgb if rgb.dtype == np.uint8 else np.clip(rgb * (255 / full), 0, 255)
        cell = np.full((2 * side + 12, side + 8, 3), 255, np.uint8)
        cell[4 : 4 + side, 4:-4] = rgb.transpose(1, 2, 0)
        cell[8 + side : 8 + 2 * side, 4:-4] = label_colours(codes, table)
        cells.append(cell)
    blank = np.full_like(cells[0], 255)
    cells += [blank] * (-len(cells) % columns)
    rows = [np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows, 0)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def curves_png(history: Sequence[Row], stages: Sequence[int]) -> bytes:
    """PNG of loss and validation mIoU over steps; `stages` are the steps at which stages begin."""
    figure = _figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    losses = [(h["step"], h["loss"]) for h in history if h.get("loss") is not None]
    scores = [(h["step"], h["mean_iou"]) for h in history if h.get("mean_iou") is not None]
    if losses:
        left.plot(*zip(*losses, strict=True), color="#30638e", linewidth=1.4)
    if scores:
        right.plot(*zip(*scores, strict=True), color="#00798c", marker="o", markersize=3, linewidth=1.4)
    for axis, title in ((left, "training loss"), (right, "validation mean IoU")):
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_xlabel("step")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        for step in stages[1:]:
            axis.axvline(step, color="#999999", linewidth=0.8, linestyle=":")
    right.set_ylim(0, 1)
    return _png(figure)


def confusion_png(matrix: Ints, names: Sequence[str], title: str) -> bytes:
    """PNG of a confusion matrix (K, K), each row in percent of its truth."""
    share = 100 * matrix / np.maximum(1, matrix.sum(1, keepdims=True))
    size = 2.2 + 0.62 * len(names)
    figure = _figure(size + 1, size)
    axis = figure.subplots()
    axis.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for i, j in np.ndindex(*share.shape):
        if matrix[i].sum():
            colour = "white" if share[i, j] > 55 else "#333333"
            axis.text(j, i, f"{share[i, j]:.0f}", ha="center", va="center", fontsize=8, color=colour)
    axis.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_xlabel("predicted")
    axis.set_ylabel("truth (rows add up to 100 %)")
    axis.set_title(title, fontsize=9, loc="left")
    return _png(figure)
