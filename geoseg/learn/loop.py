"""The inner loop of training: one optimiser step, and the precision and copies that each kind of device needs.

Nothing here knows files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from geoseg.errors import TrainingError
from geoseg.learn.adapt import Lesson, Teacher
from geoseg.learn.losses import LOSSES, LossOptions, binary
from geoseg.learn.parts import SCHEDULES, training_mode
from geoseg.learn.settings import Stage, TrainConfig

__all__ = ["Batch", "Steps", "batch_loss", "is_stuck", "precision_of", "standardise"]

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Images (B, C, S, S), uint8 or float32, label codes uint8 (B, S, S), set numbers (B,).

With A scores beside the classes the labels are (B, 1 + A, S, S): the codes, then what these scores ought to be.
"""

NoContext = AbstractContextManager[object]


def is_stuck(config: TrainConfig, stale: int) -> bool:
    """Early stopping: True once `stale` validations in a row, the config's `patience`, brought no better score."""
    return bool(config.patience) and stale >= config.patience


def precision_of(wanted: str, device: str) -> str:
    """The precision to compute in: "f32", "bf16" or "fp16".

    "auto" is bf16 where the device computes it natively, else fp16 on a GPU and f32 on a CPU.
    """
    if wanted != "auto":
        return wanted
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return "bf16" if native else "f32"


def standardise(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """(x - mean) / std of images (B, C, H, W) as float32, channels last."""
    shift = torch.tensor(mean, device=images.device).view(1, -1, 1, 1)
    scale = torch.tensor(std, device=images.device).view(1, -1, 1, 1)
    return ((images.float() - shift) / scale).contiguous(memory_format=torch.channels_last)


def batch_loss(
    config: TrainConfig,
    scores: torch.Tensor,
    labels: torch.Tensor,
    sets: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """The config's loss, for each data set by itself, then averaged by samples.

    So a set whose legend names few classes does not drown among the others. Scores (B, K, H, W) are resampled
    to the size of the labels (B, H, W); `sets` (B,) are set numbers, `weights` (B,) those of the samples.
    """
    if scores.shape[-2:] != labels.shape[-2:]:
        scores = nn.functional.interpolate(scores, size=labels.shape[-2:], mode="bilinear", align_corners=False)
    section = config.loss
    options = LossOptions(tuple(section.class_weights), section.smoothing, section.gamma, section.dice_weight)
    total = scores.new_zeros(())
    for which in sorted(set(sets.tolist())):
        mine = (sets == which).to(scores.device)
        share = mine.float() if weights is None else mine * weights
        total = total + LOSSES[section.kind](scores[mine], labels[mine], options) * share.mean()
    return total


@dataclass
class Steps:
    """One stage's network and optimiser, and the steps they take. Mutable: this is the thing that training changes.

    The `teacher` labels samples of sets without labels; the stage begins after `done` steps of the training.
    """

    network: nn.Module
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    frozen: list[nn.Module]
    config: TrainConfig
    stage: Stage
    device: str
    precision: str
    teacher: Teacher | None = None
    done: int = 0

    def set_rates(self, step: int) -> None:
        """Set the learning rates of step `step` of this stage: linear warm-up, then the stage's schedule."""
        warm = min(1.0, (step + 1) / max(1, self.stage.warm_up))
        factor = warm * SCHEDULES[self.stage.schedule](step / self.stage.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * factor

    def forward(self, batch: Batch, step: int = 0) -> torch.Tensor:
        """The loss of one batch, with its graph.

        Torchvision's networks give a dict: "out" holds the scores, and the loss of "aux" is added with a weight.
        """
        images, labels = batch[0].to(self.device, non_blocking=True), batch[1].to(self.device, non_blocking=True).long()
        beside = labels[:, 1:] if labels.ndim == 4 else None
        labels = labels if beside is None else labels[:, 0]
        x = standardise(images, self.config.model.mean, self.config.model.std)
        lesson = Lesson(images, labels, batch[2], torch.ones(len(images), device=images.device))
        if self.teacher is not None:
            lesson = self.teacher.prepare(lesson, self.done + step, x)
            x = standardise(lesson.images, self.config.model.mean, self.config.model.std)
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)
        with torch.autocast(self.device.split(":")[0], kind, enabled=kind is not None):
            out = self.network(x)
        scores = (out["out"] if isinstance(out, dict) else out).float()
        count = scores.shape[1] - len(self.config.model.aux)
        loss = self._loss(scores[:, :count], lesson)
        if beside is not None:
            loss = loss + self.config.loss.aux * binary(scores[:, count:], beside)
        if isinstance(out, dict) and "aux" in out:
            loss = loss + self.config.loss.auxiliary * self._loss(out["aux"].float(), lesson)
        return loss

    def _loss(self, scores: torch.Tensor, lesson: Lesson) -> torch.Tensor:
        return batch_loss(self.config, scores, lesson.labels, lesson.sets, lesson.weights)

    def take(self, batches: Iterator[Batch], step: int) -> float:
        """Take one optimiser step over the next `accumulate` batches; returns their mean loss.

        Raises:
            TrainingError: the loss is not finite.
        """
        training_mode(self.network, self.frozen)
        self.set_rates(step)
        self.optimiser.zero_grad(set_to_none=True)
        many = self.config.accumulate
        total = sum(self._backward(next(batches), step, last=part == many - 1) / many for part in range(many))
        if self.config.clip:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_([p for g in self.optimiser.param_groups for p in g["params"]], self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return total

    def _backward(self, batch: Batch, step: int, last: bool) -> float:
        """Add the gradients of one batch; returns its loss. Devices exchange gradients only after the last one."""
        hold: Callable[[], NoContext] = getattr(self.network, "no_sync", nullcontext) if not last else nullcontext
        with hold():
            loss = self.forward(batch, step)
            value = float(loss.detach())
            if not math.isfinite(value):
                error = TrainingError(
                    f"step {step}",
                    f"the loss is {value}",
                    "lower `rate`, or look at the batch that was saved beside the checkpoint",
                )
                error.batch = batch
                raise error
            torch.autograd.backward(self.scaler.scale(loss / self.config.accumulate))
        return value
