"""What a training run says of itself: validation scores, log, curves, and where the time goes."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from geoseg.commit import commit_bytes
from geoseg.datasets.samples import LabelledSet
from geoseg.errors import UsageError
from geoseg.learn.loop import Batch
from geoseg.learn.pictures import curves_png
from geoseg.metrics.pixels import scores_of
from geoseg.networks import make_network
from geoseg.stages.train.card import card_of
from geoseg.stages.train.run import TrainingRun
from geoseg.stages.train.validate import validate

__all__ = ["Clock", "Say", "validated"]

Say = Callable[[str], None]


class Clock:
    """How long steps take and how much of that is waiting for data."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self.start()

    def start(self) -> None:
        """Leave out what was not training (validation)."""
        self.last = time.monotonic()

    def timed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The same batches; the time until each is there counts as waiting, but for a stage's first, which starts the loaders."""
        while True:
            before = time.monotonic()
            batch = next(batches)
            if self.run.taken:
                self.run.waited += time.monotonic() - before
            yield batch

    def lap(self) -> None:
        """One step is done."""
        now = time.monotonic()
        if self.run.taken > 1:
            self.run.spent += now - self.last
        self.last = now

    def line(self, run: TrainingRun, losses: list[float]) -> str:
        """Progress for people."""
        each = run.spent / max(1, run.taken - 1)
        left = each * (run.starts[-1] - run.step)
        score = next((h["mean_iou"] for h in reversed(run.history) if h.get("mean_iou") is not None), None)
        shown = "" if score is None else f", mIoU {score:.3f}"
        rate = run.config.batch * run.config.accumulate * run.ranks / each if each else 0.0
        return (
            f"step {run.step} of {run.starts[-1]}: loss {np.mean(losses[-20:]):.3f}{shown}, {rate:.1f} samples/s, "
            f"{100 * run.waited / max(1e-9, run.spent):.1f} % waiting for data, {left / 60:.1f} min left"
        )


def validated(run: TrainingRun, sets: dict[str, list[LabelledSet]], loss: float, say: Say) -> None:
    """Score the averaged weights, keep them if they are the best, and bring log and curves up to date."""
    row: dict[str, Any] = {"step": run.step, "loss": loss, "mean_iou": None}
    state = {k: v.detach().cpu().clone() for k, v in run.average.state.items()}
    if sets["validation"] and run.first_rank:
        network = make_network(
            run.config.model.network, len(run.config.model.bands), len(run.table), **run.config.model.arguments
        )
        network.load_state_dict(state)
        tallies = validate(
            network, card_of(run.config, run.table), sets["validation"], run.config.validation_pixels, run.device
        )
        total = sum(tallies.values(), start=type(next(iter(tallies.values()))).zero(len(run.table)))
        scores = scores_of(total)
        row |= {"mean_iou": scores["mean_iou"], "overall_accuracy": scores["overall_accuracy"]}
        row |= {f"iou {c.name}": v for c, v in zip(run.table.classes, scores["iou"], strict=True)}
        for name, one in tallies.items():
            row[f"mean_iou {name}"] = scores_of(one)["mean_iou"]
    better = row["mean_iou"] is None or row["mean_iou"] > run.best
    run.stale = 0 if better else run.stale + 1
    if better:
        run.best, run.best_state = (-1.0 if row["mean_iou"] is None else row["mean_iou"]), state
    run.history.append(row)
    if run.ranks > 1:
        stale = torch.tensor([run.stale], device=run.device)
        torch.distributed.broadcast(stale, 0)
        run.stale = int(stale)
    if run.first_rank:
        say(_validation_line(row, run))
        _write_log(run)


def _validation_line(row: dict[str, Any], run: TrainingRun) -> str:
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
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "tensorboard", "is not installed", "pip install 'geoseg[tensorboard]', or set tensorboard: false"
        ) from error
    row = run.history[-1]
    with SummaryWriter(str(run.out / "tensorboard"), purge_step=row["step"]) as writer:  # type: ignore[no-untyped-call]
        for name, value in row.items():
            if name != "step" and value is not None:
                writer.add_scalar(name.replace(" ", "/"), value, row["step"])  # type: ignore[no-untyped-call]
