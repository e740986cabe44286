"""A network as geoseg calls it: standardised patches (B, C, P, P) -> scores (B, K, P, P), both on source pixels.

Resampling to the network's GSD, test-time augmentation and averaging happen inside it. So every engine compiles them
with the network, and the grid stays on source pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import torch
from torch import nn
from torch.nn import functional

from geoseg.predict.answers import scores_in

__all__ = ["TTA", "Wrapped"]

Tensor = torch.Tensor


def _turn(x: Tensor, quarter: int, flip: bool) -> Tensor:
    """Flip (..., P, P) if asked, then turn it by quarter turns; with transposes and flips, which every engine knows."""
    if flip:
        x = x.flip(-1)
    if quarter == 1:
        return x.transpose(-1, -2).flip(-2)
    if quarter == 2:
        return x.flip(-1).flip(-2)
    return x.transpose(-1, -2).flip(-1) if quarter == 3 else x


def _turn_back(x: Tensor, quarter: int, flip: bool) -> Tensor:
    """Inverse of `_turn`."""
    x = _turn(x, (4 - quarter) % 4, False)
    return x.flip(-1) if flip else x


TTA: dict[str, tuple[tuple[int, bool], ...]] = {
    "none": ((0, False),),
    "flip": ((0, False), (0, True)),
    "d4": tuple((q, f) for q in range(4) for f in (False, True)),
}
"""Test-time augmentation: (quarter turns, flip) of each pass. The logits of all passes are averaged."""


class Wrapped(nn.Module):
    """One or several networks behind one call.

    Args:
        networks: modules (B, C, N, N) -> (B, K, N, N) of logits or probabilities.
        probabilities: whether each of them gives probabilities.
        temperatures: divisor of the logits of each, before an ensemble averages them.
        side: patch side P in source pixels.
        ratio: network pixels per source pixel.
        tta: a key of `TTA`.
        classes: K; 0 takes what networks give.
    """

    def __init__(
        self,
        networks: list[Callable[[Tensor], Tensor]],
        probabilities: list[bool],
        temperatures: list[float],
        side: int,
        ratio: Fraction = Fraction(1),
        tta: str = "none",
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.networks = networks
        for i, network in enumerate(networks):
            if isinstance(network, nn.Module):
                self.add_module(f"network{i}", network)
        self.probabilities, self.temperatures = probabilities, temperatures
        self.side, self.inner = side, side * ratio.numerator // ratio.denominator
        self.passes, self.classes = TTA[tta], classes

    def forward(self, x: Tensor) -> Tensor:
        """Scores (B, K, P, P) of patches (B, C, P, P)."""
        side, inner = self.side, self.inner
        if inner < side:
            x = functional.interpolate(x, size=(inner, inner), mode="area")
        elif inner > side:
            x = functional.interpolate(x, size=(inner, inner), mode="bilinear", align_corners=False)
        scores = self._member(0, x)
        for i in range(1, len(self.networks)):
            scores = scores + self._member(i, x)
        if len(self.networks) > 1:
            scores = scores / len(self.networks)
        if inner != side:
            scores = functional.interpolate(scores, size=(side, side), mode="bilinear", align_corners=False)
        return scores

    def _member(self, i: int, x: Tensor) -> Tensor:
        """Scores of one network: the mean of its passes; log-probabilities where there are several networks."""
        total: Tensor | None = None
        for quarter, flip in self.passes:
            out = self.networks[i](_turn(x, quarter, flip) if (quarter or flip) else x)
            out = scores_in(out, self.classes, self.inner, probabilities=self.probabilities[i])
            if self.probabilities[i]:
                out = torch.log(out.clamp(1e-7, 1.0))
            out = _turn_back(out, quarter, flip) if (quarter or flip) else out
            total = out if total is None else total + out
        assert total is not None  # there is at least one pass
        if len(self.passes) > 1:
            total = total / len(self.passes)
        if len(self.networks) > 1:
            total = functional.log_softmax(total / self.temperatures[i], dim=1)
        return total
