"""Losses of scores (B, K, H, W) against labels (B, H, W), by name.

A label is a class index, 255 (not known: without effect), or `NOT` + k for "anything but class k". The last is all that
a data set of footprints says of ground that is no building; it lets sets of different legends train one network.
Scores are logits: a softmax before these losses would flatten every gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from geoseg.classes import NODATA, NOT

__all__ = ["LOSSES", "LossOptions", "binary", "cross_entropy", "dice", "focal", "lovasz"]

Tensor = torch.Tensor


@dataclass(frozen=True)
class LossOptions:
    """Settings of the losses.

    `class_weights` has one weight per class or is empty; `smoothing` is the label smoothing of cross-entropy (Szegedy
    et al. 2016, section 7); `gamma` focuses the focal loss; `dice_weight` is the weight of Dice or Lovasz in a sum.
    """

    class_weights: tuple[float, ...] = ()
    smoothing: float = 0.0
    gamma: float = 2.0
    dice_weight: float = 0.5


def _weights(scores: Tensor, options: LossOptions) -> Tensor:
    count = scores.shape[1]
    return scores.new_tensor(options.class_weights) if options.class_weights else scores.new_ones(count)


def _is_denied(labels: Tensor) -> Tensor:
    """True for labels that say "anything but class k"."""
    return (labels >= NOT) & (labels != NODATA)


def _denied_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Sum of -log(1 - p_k) over the pixels that are "anything but class k"."""
    where = _is_denied(labels)
    if not where.any():
        return scores.sum() * 0
    rows = scores.permute(0, 2, 3, 1)[where]
    banned = functional.one_hot(labels[where] - NOT, scores.shape[1]).bool()
    return (rows.logsumexp(1) - rows.masked_fill(banned, -torch.inf).logsumexp(1)).sum()


def cross_entropy(scores: Tensor, labels: Tensor, options: LossOptions) -> Tensor:
    """Mean cross-entropy over the known pixels; 0, with a gradient of 0, where none is known."""
    weights = _weights(scores, options)
    plain = labels.masked_fill(_is_denied(labels), NODATA)
    known = plain != NODATA
    total = functional.cross_entropy(
        scores, plain, weights, ignore_index=NODATA, label_smoothing=options.smoothing, reduction="sum"
    )
    mass = weights[plain[known]].sum() + _is_denied(labels).sum()
    return (total + _denied_loss(scores, labels)) / mass.clamp(min=1.0)


def _knowledge(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(truth, known), each (B, K, H, W): 1 where a pixel is of the class, and 1 where the label tells."""
    count = scores.shape[1]
    named = labels < NOT
    truth = functional.one_hot(labels.clamp(max=count - 1), count).permute(0, 3, 1, 2) * named[:, None]
    denied = (
        functional.one_hot((labels - NOT).clamp(0, count - 1), count).permute(0, 3, 1, 2) * _is_denied(labels)[:, None]
    )
    return truth, (named[:, None] | denied.bool()).to(scores.dtype)


def dice(scores: Tensor, labels: Tensor, options: LossOptions) -> Tensor:
    """1 - Dice averaged over the classes that are present (Milletari et al. 2016, eq. 2, over the batch)."""
    truth, known = _knowledge(scores, labels)
    shares = scores.softmax(1) * known
    both, total = (shares * truth).sum((0, 2, 3)), (shares + truth).sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    if not present.any():
        return scores.sum() * 0
    return (1 - (2 * both + 1) / (total + 1))[present].mean()


def focal(scores: Tensor, labels: Tensor, options: LossOptions) -> Tensor:
    """Cross-entropy weighted by (1 - p)^gamma (Lin et al. 2017, eq. 4)."""
    weights = _weights(scores, options)
    plain = labels.masked_fill(_is_denied(labels), NODATA)
    known = plain != NODATA
    each = functional.cross_entropy(scores, plain, ignore_index=NODATA, reduction="none")
    chance = torch.exp(-each)
    scale = weights[plain.clamp(max=scores.shape[1] - 1)] * known
    total = (scale * (1 - chance) ** options.gamma * each).sum()
    mass = scale.sum() + _is_denied(labels).sum()
    return (total + _denied_loss(scores, labels)) / mass.clamp(min=1.0)


def lovasz(scores: Tensor, labels: Tensor, options: LossOptions) -> Tensor:
    """Lovasz-Softmax over the classes that are present (Berman et al. 2018, alg. 1 and eq. 11)."""
    truth, known = _knowledge(scores, labels)
    shares = scores.softmax(1)
    losses = []
    for k in range(scores.shape[1]):
        sure = known[:, k] > 0
        hit = truth[:, k][sure].to(scores.dtype)
        if hit.sum() == 0:
            continue
        errors, order = torch.sort((hit - shares[:, k][sure]).abs(), descending=True)
        sorted_hit = hit[order]
        missing = sorted_hit.sum() - sorted_hit.cumsum(0)
        jaccard = 1 - missing / (sorted_hit.sum() + (1 - sorted_hit).cumsum(0))
        gradient = torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])
        losses.append(torch.dot(errors, gradient))
    return torch.stack(losses).mean() if losses else scores.sum() * 0


RARE = 4.0
"""Weight of the pixels that a score beside the classes is about: they are few."""


def binary(scores: Tensor, labels: Tensor) -> Tensor:
    """Weighted binary cross-entropy plus Dice of scores (B, A, H, W) beside the classes.

    `labels` (B, A, H, W): 1, 0, or 255 where nobody knows. 0, with a gradient of 0, where nothing is known.
    """
    known = labels != NODATA
    if not known.any():
        return scores.sum() * 0
    truth = (labels == 1).to(scores.dtype)
    weight = scores.new_tensor(RARE)
    each = functional.binary_cross_entropy_with_logits(scores[known], truth[known], pos_weight=weight)
    shares = scores.sigmoid() * known
    both, total = (shares * truth).sum(), (shares + truth * known).sum()
    return each + 1 - (2 * both + 1) / (total + 1)


def _with_dice(scores: Tensor, labels: Tensor, options: LossOptions) -> Tensor:
    return cross_entropy(scores, labels, options) + options.dice_weight * dice(scores, labels, options)


def _with_lovasz(scores: Tensor, labels: Tensor, options: LossOptions) -> Tensor:
    return cross_entropy(scores, labels, options) + options.dice_weight * lovasz(scores, labels, options)


LOSSES: dict[str, Callable[[Tensor, Tensor, LossOptions], Tensor]] = {
    "cross_entropy": cross_entropy,
    "dice": dice,
    "cross_entropy+dice": _with_dice,
    "focal": focal,
    "lovasz": lovasz,
    "cross_entropy+lovasz": _with_lovasz,
}
"""Losses by the names that configs use."""
