"""The reports of a training run: validation scores, log, curves, and where the time goes."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterator
from importlib import import_module

import numpy as np
import torch

from geoseg.commit import commit_bytes
from geoseg.datasets.samples import LabelledSet
from geoseg.errors import UsageError
from geoseg.learn.checkpoint import Row, State
from geoseg.learn.loop import Batch
from geoseg.learn.pictures import curves_png
from geoseg.metrics.pixels import Tally, scores_of
from geoseg.stages.train.card import card_of
from geoseg.stages.train.run import TrainingRun, new_network
from geoseg.stages.train.validate import validate

__all__ = ["Clock", "Say", "record_validation"]

Say = Callable[[str], None]
"""Gets lines of progress for people."""


class Clock:
    """Measures how long steps take, and how much of that is waiting for data."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self.start()

    def start(self) -> None:
        """Start again after a pause that was no training, such as a validation."""
        self.last = time.monotonic()

    def time_batches(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The same batches; the time until each is there counts as waiting.

        Not so before the first step of all, since that starts the loaders.
        """
        while True:
            before = time.monotonic()
            batch = next(batches)
            if self.run.taken:
                self.run.waited += time.monotonic() - before
            yield batch

    def lap(self) -> None:
        """Count the time of one step that is done."""
        now = time.monotonic()
        if self.run.taken > 1:
            self.run.spent += now - self.last
        self.last = now

    def line(self) -> str:
        """One line of progress."""
        run = self.run
        each = run.spent / max(1, run.taken - 1)
        left = each * (run.starts[-1] - run.step)
        score = next((h["mean_iou"] for h in reversed(run.history) if h.get("mean_iou") is not None), None)
        shown = "" if score is None else f", mIoU {score:.3f}"
        rate = run.samples_per_step / each if each else 0.0
        return (
            f"step {run.step} of {run.starts[-1]}: loss {np.mean(run.losses[-20:]):.3f}{shown}, {rate:.1f} samples/s, "
            f"{100 * run.waited / max(1e-9, run.spent):.1f} % waiting for data, {left / 60:.1f} min left"
        )


def record_validation(run: TrainingRun, sets: list[LabelledSet], say: Say) -> None:
    """Score the averaged weights, keep them if they are the best, and bring log and curves up to date.

    Without validation sets the last weights count as the best.
    """
    row: Row = {"step": run.step, "loss": float(np.mean(run.losses)), "mean_iou": None}
    state = {k: v.detach().cpu().clone() for k, v in run.average.state.items()}
    if sets and run.first_rank:
        row |= _scores(run, state, sets)
    score = row["mean_iou"]
    better = score is None or score > run.best
    run.stale = 0 if better else run.stale + 1
    if better:
        run.best, run.best_state = (-1.0 if score is None else score), state
    run.history.append(row)
    if run.ranks > 1:
        stale = torch.tensor([run.stale], device=run.device)
        torch.distributed.broadcast(stale, 0)
        run.stale = int(stale)
    if run.first_rank:
        say(_validation_line(row, run))
        _write_log(run)


def _scores(run: TrainingRun, state: State, sets: list[LabelledSet]) -> Row:
    """Scores of some weights over all validation sets, per class, and per set."""
    network = new_network(run.config, run.table)
    network.load_state_dict(state)
    card = card_of(run.config, run.table)
    tallies = validate(network, card, sets, run.config.validation_pixels, run.device)
    scores = scores_of(sum(tallies.values(), start=Tally.zero(len(run.table))))
    row: Row = {"mean_iou": scores["mean_iou"]}
    if math.isfinite(scores["overall_accuracy"]):  # partial labels have none
        row["overall_accuracy"] = scores["overall_accuracy"]
    row |= {f"iou {c.name}": v for c, v in zip(run.table.classes, scores["iou"], strict=True)}
    row |= {f"mean_iou {name}": scores_of(one)["mean_iou"] for name, one in tallies.items()}
    return row


def _validation_line(row: Row, run: TrainingRun) -> str:
    if row["mean_iou"] is None:
        return f"step {row['step']}: loss {row['loss']:.3f} (no validation data)"
    ious = ", ".join(
        f"{c.name} {row[f'iou {c.name}']:.2f}" for c in run.table.classes if row.get(f"iou {c.name}") is not None
    )
    return f"step {row['step']}: validation mIoU {row['mean_iou']:.4f}{' (best)' if not run.stale else ''}; {ious}"


def _write_log(run: TrainingRun) -> None:
    columns = list(dict.fromkeys(k for row in run.history for k in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(run.history)
    commit_bytes(run.out / "log.csv", text.getvalue().encode())
    commit_bytes(run.out / "curves.png", curves_png(run.history, run.starts[:-1]))
    if run.config.tensorboard:
        _write_tensorboard(run)


def _write_tensorboard(run: TrainingRun) -> None:
    try:
        tensorboard = import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise UsageError(
            "tensorboard", "is not installed", "pip install 'geoseg[tensorboard]', or set tensorboard: false"
        ) from error
    row = run.history[-1]
    with tensorboard.SummaryWriter(str(run.out / "tensorboard"), purge_step=run.step) as writer:
        for name, value in row.items():
            if name != "step" and value is not None:
                writer.add_scalar(name.replace(" ", "/"), value, run.step)
