"""Self-training on photos without labels: a network learns a town from which nobody has drawn anything.

unlabelled samples -> teacher's labels, sure ones only -> classes of labelled samples pasted in -> student

The teacher is the running average of the student's weights (Tarvainen and Valpola 2017, section 3). Pasting classes of
labelled samples into unlabelled ones, with the share of known pixels as the weight of a sample, follows DACS (Tranheden
et al. 2021, section 3.2); rare classes are pasted more often (after Hoyer et al. 2022, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from geoseg.classes import NODATA, NOT, UNLABELLED
from geoseg.learn.parts import Average
from geoseg.learn.settings import AdaptSection

__all__ = ["Lesson", "Teacher", "paste_classes", "sure_labels", "with_colours_of"]

Tensor = torch.Tensor


@dataclass(frozen=True)
class Lesson:
    """The batch that a student learns from: images (B, C, S, S), codes (B, S, S), set numbers and weights (B,)."""

    images: Tensor
    labels: Tensor
    sets: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Teacher:
    """Labels the samples of unlabelled sets; `network` has the student's shape and gets the weights of `average`.

    `unlabelled` holds the numbers of those sets. `full` is the value of the brightest pixel; `aux` scores come
    after those of the classes.
    """

    network: nn.Module
    average: Average
    section: AdaptSection
    unlabelled: frozenset[int]
    seed: int
    full: float
    aux: int = 0

    def prepare(self, lesson: Lesson, step: int, standardised: Tensor) -> Lesson:
        """The lesson with labels for its unlabelled samples; the same for the same step, after a restart too.

        Args:
            lesson: a batch on the network's device.
            step: steps taken before, in the whole training.
            standardised: the images as the network takes them.
        """
        bare = torch.tensor([int(s) in self.unlabelled for s in lesson.sets])
        if not bare.any():
            return lesson
        unknown = lesson.labels == UNLABELLED
        labels, weights = lesson.labels.masked_fill(unknown, NODATA), lesson.weights.clone()
        if step < self.section.start:
            return Lesson(lesson.images, labels, lesson.sets, weights)
        random = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        mine = bare.to(lesson.images.device)
        sure = sure_labels(self._scores(standardised[mine]), self.section.threshold)
        labels[mine] = torch.where(unknown[mine], sure, NODATA)  # where there are no data there is nothing to learn
        images = self._pass_on_colours(lesson.images, unknown, bare, random)
        images = images.clone() if images is lesson.images else images
        sources = _full_samples(lesson.labels, bare)
        for target in bare.nonzero().ravel().tolist():
            if sources and _chance(random) < self.section.mix:
                source = sources[int(torch.randint(len(sources), (1,), generator=random))]
                paste_classes((images, labels), source, target, random)
            weights[target] = self.section.weight * (labels[target] != NODATA).float().mean()
        return Lesson(images, labels, lesson.sets, weights)

    def _scores(self, images: Tensor) -> Tensor:
        """The teacher's logits (N, K, S, S)."""
        self.network.load_state_dict(self.average.state)
        self.network.eval()
        with torch.no_grad():
            out = self.network(images)
        scores: Tensor = (out["out"] if isinstance(out, dict) else out).float()
        scores = scores[:, : scores.shape[1] - self.aux]
        if scores.shape[-2:] != images.shape[-2:]:
            scores = nn.functional.interpolate(scores, size=images.shape[-2:], mode="bilinear", align_corners=False)
        return scores

    def _pass_on_colours(self, images: Tensor, seen: Tensor, bare: Tensor, random: torch.Generator) -> Tensor:
        """The images, where some labelled ones have the colours of an unlabelled one."""
        photos, changed = bare.nonzero().ravel().tolist(), images
        for index in (~bare).nonzero().ravel().tolist():
            lucky, which = _chance(random), int(torch.randint(len(photos), (1,), generator=random))
            if lucky < self.section.colours:
                changed = images.clone() if changed is images else changed
                other = images[photos[which]][:, seen[photos[which]]]
                changed[index] = with_colours_of(images[index], other, self.full) if other.numel() else images[index]
        return changed


def _chance(random: torch.Generator) -> float:
    return float(torch.rand((), generator=random))


def _full_samples(labels: Tensor, bare: Tensor) -> list[int]:
    """Numbers of labelled samples of which more than half has a class, and of at least two classes."""
    named = (labels < NOT).flatten(1).float().mean(1).cpu()
    wanted = (~bare) & (named > 0.5)
    return [i for i in wanted.nonzero().ravel().tolist() if len(torch.unique(labels[i][labels[i] < NOT])) > 1]


def sure_labels(scores: Tensor, threshold: float) -> Tensor:
    """Class numbers (N, H, W) from logits (N, K, H, W); 255 where the softmax is below the threshold."""
    best, found = scores.softmax(1).max(1)
    return found.masked_fill(best < threshold, NODATA)


_FEW, _STRIP = 0.04, 12
"""The share of pixels below which a class takes its surroundings along, and the width of those in pixels."""


def _grown(mask: Tensor, by: int) -> Tensor:
    """A mask (S, S) and all pixels up to `by` pixels from it, along rows, columns and diagonals."""
    return nn.functional.max_pool2d(mask[None].float(), 2 * by + 1, stride=1, padding=by)[0] > 0


def paste_classes(batch: tuple[Tensor, Tensor], source: int, target: int, random: torch.Generator) -> None:
    """Paste half of the classes of one sample, the rare ones more often, over another sample of a batch.

    A class of few pixels comes with a strip of its surroundings: a car would else be learned wherever it fell, on a
    roof as well as on a road.

    Args:
        batch: images (B, C, S, S) and codes (B, S, S), changed in place.
        source: number of the sample that gives.
        target: number of the sample that gets.
        random: decides the classes.
    """
    images, labels = batch
    classes, counts = torch.unique(labels[source][labels[source] < NOT], return_counts=True)
    rarity = counts.cpu().float() ** -0.25
    chosen = torch.multinomial(rarity, (len(classes) + 1) // 2, generator=random).to(classes.device)
    small = chosen[counts[chosen] < _FEW * labels[source].numel()]
    where = torch.isin(labels[source], classes[chosen])
    where |= _grown(torch.isin(labels[source], classes[small]), _STRIP) & (labels[source] < NOT)
    images[target] = torch.where(where, images[source], images[target])
    labels[target] = torch.where(where, labels[source], labels[target])


def with_colours_of(image: Tensor, other: Tensor, full: float) -> Tensor:
    """The image (C, H, W) with mean and deviation of each band of other pixels (C, ...); after Reinhard et al. 2001."""
    mine, theirs = image.float().flatten(1), other.float().flatten(1)
    gain = (theirs.std(1) + 1) / (mine.std(1) + 1)
    moved = (mine - mine.mean(1, keepdim=True)) * gain.clamp(0.4, 2.5)[:, None] + theirs.mean(1, keepdim=True)
    moved = moved.clamp(0, full).view(image.shape)
    return moved.to(image.dtype) if image.is_floating_point() else moved.round().to(image.dtype)
