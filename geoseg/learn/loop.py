"""The inner loop of training: one optimiser step, and what surrounds it on each kind of device.

Nothing here knows files. The state of a run is a plain dict of tensors and numbers, so that a restart goes on to the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from geoseg.errors import TrainingError
from geoseg.learn.losses import LOSSES, LossOptions
from geoseg.learn.parts import SCHEDULES, training_mode
from geoseg.learn.settings import Stage, TrainConfig

__all__ = ["Batch", "Steps", "precision_of", "standardised"]

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def precision_of(wanted: str, device: str) -> str:
    """Settle "auto": bf16 where the device computes it natively, else f32."""
    if wanted != "auto":
        return wanted
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return "bf16" if native else "f32"


def standardised(images: torch.Tensor, mean: list[float], std: list[float]) -> torch.Tensor:
    """(x - mean) / std of uint8 images (B, C, H, W), channels last."""
    shift = torch.tensor(mean, device=images.device).view(1, -1, 1, 1)
    scale = torch.tensor(std, device=images.device).view(1, -1, 1, 1)
    return ((images.float() - shift) / scale).contiguous(memory_format=torch.channels_last)


@dataclass
class Steps:
    """One stage's optimiser and the steps it takes. Mutable: it is the thing that training changes."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    frozen: list[nn.Module]
    config: TrainConfig
    stage: Stage
    device: str
    precision: str

    def rates(self, step: int) -> None:
        """Set the learning rates of step `step` of this stage: linear warm-up, then the stage's schedule."""
        warm = min(1.0, (step + 1) / max(1, self.stage.warm_up))
        factor = warm * SCHEDULES[self.stage.schedule](step / self.stage.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * factor

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """(loss, scores of the main head) of one batch; network outputs in a dict (torchvision's) are unwrapped, aux weighted in."""
        images, labels = batch[0].to(self.device, non_blocking=True), batch[1].to(self.device, non_blocking=True).long()
        x = standardised(images, self.config.model.mean, self.config.model.std)
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)
        cast: Any = torch.autocast(self.device.split(":")[0], kind) if kind else nullcontext()
        with cast:
            out = self.network(x)
        scores = (out["out"] if isinstance(out, dict) else out).float()
        loss = self.loss(scores, labels, batch[2])
        if isinstance(out, dict) and "aux" in out:
            loss = loss + self.config.loss.auxiliary * self.loss(out["aux"].float(), labels, batch[2])
        return loss, scores.detach()

    def loss(self, scores: torch.Tensor, labels: torch.Tensor, sets: torch.Tensor) -> torch.Tensor:
        """The config's loss, computed for each data set by itself and averaged by samples: sets of other legends do not drown each other."""
        if scores.shape[-2:] != labels.shape[-2:]:
            scores = nn.functional.interpolate(scores, size=labels.shape[-2:], mode="bilinear", align_corners=False)
        section = self.config.loss
        options = LossOptions(tuple(section.class_weights), section.smoothing, section.gamma, section.dice_weight)
        total = scores.new_zeros(())
        for which in sorted(set(sets.tolist())):
            mine = (sets == which).to(scores.device)
            total = total + LOSSES[section.kind](scores[mine], labels[mine], options) * mine.float().mean()
        return total

    def take(self, batches: Iterator[Batch], step: int) -> tuple[float, Batch, torch.Tensor]:
        """One optimiser step over `accumulate` batches; (mean loss, the last batch, its scores).

        Raises:
            TrainingError: the loss is not finite.
        """
        training_mode(self.network, self.frozen)
        self.rates(step)
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        many = self.config.accumulate
        for part in range(many):
            batch = next(batches)
            last = part == many - 1
            hold: Any = getattr(self.network, "no_sync", nullcontext) if not last else nullcontext
            with hold():
                loss, scores = self.forward(batch)
                value = float(loss.detach())
                if not math.isfinite(value):
                    error = TrainingError(
                        f"step {step}",
                        f"the loss is {value}",
                        "lower `rate`, or look at the batch that was saved beside the checkpoint",
                    )
                    error.batch = batch
                    raise error
                self.scaler.scale(loss / many).backward()  # type: ignore[no-untyped-call]
            total += value / many
        if self.config.clip:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_([p for g in self.optimiser.param_groups for p in g["params"]], self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return total, batch, scores
