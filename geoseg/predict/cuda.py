"""The CUDA backend: rows go to the device once, and everything else happens there.

Rows are copied from pinned memory on a stream of their own; batches have one shape, bfloat16 and channels_last;
scores are summed and the arg-max is taken on the device; only uint8 comes back. The code runs on any torch device, so
tests run it on the CPU.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import torch

from geoseg.arrays import Bytes, Floats, Image, Valid
from geoseg.classes import NODATA
from geoseg.errors import EnvironmentFault, ModelError
from geoseg.geometry.lattice import Lattice
from geoseg.models.facts import Conversion
from geoseg.predict.backend import Rows
from geoseg.predict.weights import blend_weights

__all__ = ["DeviceBackend", "pick_device"]


def pick_device(name: str) -> str:
    """The device, "cpu" or "cuda...", that `--device auto|cpu|cuda[:N]` means.

    Raises:
        EnvironmentFault: it is not there. No other device is taken in its place.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda"):
        number = name.partition(":")[2] or "0"
        index = int(number) if number.isdigit() else 1 << 30
        if not torch.cuda.is_available() or index >= torch.cuda.device_count():
            raise EnvironmentFault(f"--device {name}", "no such CUDA device here", "use --device cpu or auto")
    elif name != "cpu":
        raise EnvironmentFault(f"--device {name}", "not a device that geoseg knows", "use auto, cpu or cuda[:N]")
    return name


class DeviceStrip:
    """`blend.Strip` in torch, on a device."""

    def __init__(
        self,
        values: tuple[int, ...],
        weights: torch.Tensor,
        margin: int,
        width: int,
        temperature: float,
        aux: int = 0,
    ) -> None:
        self.inner = len(weights) - 2 * margin
        self.margin, self.width, self.temperature = margin, width, temperature
        inside = weights[margin : margin + self.inner]
        self.weights = inside[:, None] * inside[None]  # (R, R)
        self.values = torch.tensor(values, dtype=torch.uint8, device=weights.device)
        self.sums = torch.zeros((len(values) + aux, self.inner, width), device=weights.device)

    def add(self, scores: torch.Tensor, col: int) -> None:
        """Add scores (K, P, P) of a patch whose weighted inside starts at column `col` of the panel."""
        left, right = max(0, -col), min(self.inner, self.width - col)
        inside = scores[:, self.margin : self.margin + self.inner, self.margin + left : self.margin + right]
        self.sums[:, :, col + left : col + right].addcmul_(inside.float(), self.weights[:, left:right])

    def divide(self, sums: Floats, col: int) -> None:
        """Divide the first rows from a column on by the sums (rows, W) of the weights that were added there."""
        rows, cols = sums.shape
        self.sums[:, :rows, col : col + cols] /= torch.from_numpy(sums).to(self.sums.device)

    def shares(self, rows: int) -> Bytes:
        """Softmax of the first rows in percent, (K, rows, W)."""
        share = (self.sums[: len(self.values), :rows] / self.temperature).softmax(0)
        return np.asarray((share * 100 + 0.5).to(torch.uint8).cpu().numpy())

    def beside(self, good: Valid) -> Bytes:
        """Scores beside the classes of the first rows, (A, rows, W) in percent, 255 where not `good`."""
        share = self.sums[len(self.values) :, : len(good)].sigmoid()
        out = (share * 100 + 0.5).to(torch.uint8).cpu().numpy()
        out[:, ~good] = NODATA
        return np.asarray(out)

    def finish(self, good: Valid) -> tuple[Bytes, Bytes]:
        """Class values and confidence (rows, W) of the first rows, 255 where not `good`; moves the strip on by them."""
        rows = len(good)
        done = self.sums[: len(self.values), :rows]
        best, label = done.max(0)
        confidence = 100 / ((done - best) / self.temperature).exp().sum(0) + 0.5
        both = torch.stack([self.values[label], confidence.to(torch.uint8)]).cpu().numpy().copy()
        kept = self.sums[:, rows:].clone()
        self.sums[:, : self.inner - rows] = kept
        self.sums[:, self.inner - rows :] = 0
        both[:, ~good] = NODATA
        return both[0], both[1]


@dataclass
class _Rows:
    """Rows on the device: image (C, P, W), validity (P, W)."""

    image: torch.Tensor
    valid: torch.Tensor


class DeviceBackend:
    """Scores and blends on one torch device.

    Args:
        network: wrapped network; it is moved to the device and converted to the precision.
        conversion: how pixels are standardised, and what the scores mean.
        device: "cuda", "cuda:1", ... ("cpu" for tests).
        precision: "f32" or "bf16".
        batch: patches to a call.
    """

    depth = 2

    def __init__(
        self,
        network: torch.nn.Module,
        conversion: Conversion,
        *,
        device: str,
        precision: str = "bf16",
        batch: int = 16,
    ) -> None:
        self.device, self.batch, self.subject = torch.device(device), batch, conversion.subject
        self.aux = conversion.aux
        self.values, self.temperature = conversion.values, conversion.temperature
        normalise = conversion.normalise
        self.dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
        network = network.eval().to(self.device, self.dtype)
        self.network: torch.nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean = torch.from_numpy(normalise.mean).to(self.device)[:, None, None]
        self.std = torch.from_numpy(normalise.std).to(self.device)[:, None, None]
        self.copies: torch.cuda.Stream | None = None
        if self.device.type == "cuda":
            self.copies = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]

    def strip(self, lattice: Lattice, width: int) -> DeviceStrip:
        """An empty strip for a panel of so many columns."""
        weights = torch.from_numpy(blend_weights(lattice)).to(self.device)
        return DeviceStrip(self.values, weights, lattice.margin, width, self.temperature, self.aux)

    def load(self, rows: Rows, side: int) -> _Rows:
        """Copy rows to the device once, from pinned memory on a stream of its own."""
        part = slice(rows.top, rows.top + side)
        pixels, good = torch.from_numpy(_torch_pixels(rows.image[:, part])), torch.from_numpy(rows.valid[part])
        if self.copies is None:
            return _Rows(pixels.to(self.device), good.to(self.device))
        with torch.cuda.stream(self.copies):
            there = _Rows(
                pixels.pin_memory().to(self.device, non_blocking=True),
                good.pin_memory().to(self.device, non_blocking=True),
            )
        torch.cuda.current_stream(self.device).wait_stream(self.copies)
        for tensor in (there.image, there.valid):
            tensor.record_stream(torch.cuda.current_stream(self.device))
        return there

    def submit(self, rows: _Rows, cols: list[int], side: int) -> Future[torch.Tensor]:
        """Scores (n, K, P, P) on the device; CUDA queues the work, so this returns at once."""
        future: Future[torch.Tensor] = Future()
        with torch.inference_mode():
            patches = torch.zeros((self.batch, len(rows.image), side, side), device=self.device)
            for patch, col in zip(patches, cols, strict=False):
                pixels = (rows.image[:, :, col : col + side].float() - self.mean) / self.std
                patch.copy_(torch.where(rows.valid[:, col : col + side], pixels, 0))
            try:
                scores = self.network(patches.to(self.dtype, memory_format=torch.channels_last))
            except torch.OutOfMemoryError as error:
                cure = f"use a --batch-size smaller than {self.batch}"
                raise EnvironmentFault(str(self.device), "ran out of memory", cure) from error
            if scores.shape[1] != (expected := len(self.values) + self.aux):
                what = f"gives {scores.shape[1]} scores for each pixel, expected {expected}"
                raise ModelError(self.subject, what, "check its card")
            future.set_result(scores[: len(cols)].clone())
        return future

    def close(self) -> None:
        """Do nothing: it has no threads."""


def _torch_pixels(image: Image) -> Image:
    """The image in a type that torch computes with: uint16 becomes int32."""
    return np.ascontiguousarray(image.astype(np.int32) if image.dtype == np.uint16 else image)
