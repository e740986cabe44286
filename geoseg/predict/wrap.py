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

from geoseg.models.card import AUX
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
        aux: names of the scores that each network gives after those of its classes; none has any where it is left out.
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
        aux: list[tuple[str, ...]] | None = None,
    ) -> None:
        super().__init__()
        self.networks = networks
        for i, network in enumerate(networks):
            if isinstance(network, nn.Module):
                self.add_module(f"network{i}", network)
        self.probabilities, self.temperatures = probabilities, temperatures
        self.side, self.inner = side, side * ratio.numerator // ratio.denominator
        self.passes, self.classes = TTA[tta], classes
        self.aux = aux or [()] * len(networks)
        self.names = tuple(name for name in AUX if any(name in own for own in self.aux))

    def forward(self, x: Tensor) -> Tensor:
        """Scores (B, K + A, P, P) of patches (B, C, P, P)."""
        side, inner = self.side, self.inner
        if inner < side:
            x = functional.interpolate(x, size=(inner, inner), mode="area")
        elif inner > side:
            x = functional.interpolate(x, size=(inner, inner), mode="bilinear", align_corners=False)
        scores = _mean([self._member(i, x) for i in range(len(self.networks))], self._channels())
        if inner != side:
            scores = functional.interpolate(scores, size=(side, side), mode="bilinear", align_corners=False)
        return scores

    def _channels(self) -> list[list[slice]]:
        """For the classes, then for each score beside them: its channels in each network; none where it has not any."""
        if not self.names:
            return [[slice(None)] * len(self.networks)]
        found = [[slice(self.classes)] * len(self.networks)]
        for name in self.names:
            places = [self.classes + own.index(name) if name in own else 0 for own in self.aux]
            found.append([slice(place, place + 1) if place else slice(0) for place in places])
        return found

    def _member(self, i: int, x: Tensor) -> Tensor:
        """Scores of one network: the mean of its passes; log-probabilities where there are several networks."""
        total: Tensor | None = None
        for quarter, flip in self.passes:
            out = self.networks[i](_turn(x, quarter, flip) if (quarter or flip) else x)
            out = scores_in(
                out, self.classes and self.classes + len(self.aux[i]), self.inner, probabilities=self.probabilities[i]
            )
            if self.probabilities[i]:
                out = torch.log(out.clamp(1e-7, 1.0))
            out = _turn_back(out, quarter, flip) if (quarter or flip) else out
            total = out if total is None else total + out
        assert total is not None  # there is at least one pass
        if len(self.passes) > 1:
            total = total / len(self.passes)
        if len(self.networks) > 1:
            count = len(self.aux[i])
            classes = total[:, : total.shape[1] - count] if count else total
            shares = functional.log_softmax(classes / self.temperatures[i], dim=1)
            total = torch.cat([shares, total[:, total.shape[1] - count :]], 1) if count else shares
        return total


def _mean(members: list[Tensor], channels: list[list[slice]]) -> Tensor:
    """Scores averaged over the networks that have them: for each group of scores its channels in each network."""
    means = []
    for places in channels:
        parts = [m if p == slice(None) else m[:, p] for m, p in zip(members, places, strict=True) if p != slice(0)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        means.append(total / len(parts) if len(parts) > 1 else total)
    return means[0] if len(means) == 1 else torch.cat(means, 1)
