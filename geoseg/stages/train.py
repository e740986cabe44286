"""geoseg train: a config to a model file.

data sets -> split, leak check -> samples -> stages of steps -> validation -> best weights -> temperature -> model.safetensors
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from geoseg.classes import ClassTable
from geoseg.errors import TrainingError, UsageError
from geoseg.gis.picture import write_png
from geoseg.io.commit import commit_bytes, commit_json, folder
from geoseg.io.lease import lease
from geoseg.io.model_file import load_model, load_weights
from geoseg.learn.augment import Augmentation
from geoseg.learn.checkpoint import load_checkpoint, save_checkpoint
from geoseg.learn.datasets.drawn import draw_missing
from geoseg.learn.datasets.samples import LabelledSet, Samples, loader
from geoseg.learn.datasets.sets import class_table, labelled_sets
from geoseg.learn.loop import Batch, Steps, precision_of
from geoseg.learn.metrics import scores_of
from geoseg.learn.networks import make_network
from geoseg.learn.networks.backbone import load_backbone, matched_by_name
from geoseg.learn.parts import Average, freeze, parameter_groups
from geoseg.learn.pictures import contact_sheet, curves_png
from geoseg.learn.settings import Stage, TrainConfig
from geoseg.predict.device import pick_device
from geoseg.stages.training_card import card_of, finished_card
from geoseg.stages.validate import fitted_temperature, validate

__all__ = ["TrainResult", "preview", "train"]

log = logging.getLogger(__name__)

Say = Callable[[str], None]


@dataclass(frozen=True)
class TrainResult:
    """What a finished training left."""

    model: Path
    steps: int
    mean_iou: float | None
    waiting: float
    rate: float


@dataclass
class _Run:
    """The state of one training run. Mutable: steps change it, checkpoints save it."""

    config: TrainConfig
    out: Path
    table: ClassTable
    network: nn.Module
    average: Average
    device: str
    rank: int
    ranks: int
    step: int = 0
    best: float = -1.0
    stale: int = 0
    best_state: dict[str, torch.Tensor] | None = None
    optimiser_state: dict[str, Any] | None = None
    scaler_state: dict[str, Any] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    waited: float = 0.0
    spent: float = 0.0
    taken: int = 0

    @property
    def first_rank(self) -> bool:
        return self.rank == 0

    @property
    def starts(self) -> list[int]:
        """First step of each stage, and one past the last."""
        return [0, *np.cumsum([s.steps for s in self.config.stages]).tolist()]


def train(config: TrainConfig, out: Path, say: Say = lambda line: None, *, overwrite: bool = False) -> TrainResult:
    """Train, or go on where a killed run stopped; the same seed on a CPU gives the same weights either way.

    Args:
        config: the whole run.
        out: folder of checkpoint, logs and model.
        say: gets progress lines.
        overwrite: start again although there is a checkpoint of another config.

    Raises:
        UsageError: data, splits or parts that the config gets wrong.
        ModelError: weights to start from that do not fit.
        TrainingError: the loss is not finite; the batch is saved.
    """
    folder(out)
    with _processes() as (rank, ranks), lease(out if ranks == 1 else out / f"rank{rank}"):
        table = class_table(config.model)
        sets = labelled_sets(config.data, table, len(config.model.bands), out / "cache")
        if not sets["train"]:
            raise UsageError("data", "leaves nothing to train on", "give a set without `use: validation`")
        if rank == 0:
            _draw_scenes(sets, config, say)
        run = _started(config, out, table, rank, ranks, overwrite)
        _describe(sets, run, say)
        for number, stage in enumerate(config.stages):
            if run.step < run.starts[number + 1] and not _stopped_early(run):
                _run_stage(run, number, stage, sets, say)
        return _finished(run, sets, say)


def _draw_scenes(sets: dict[str, list[LabelledSet]], config: TrainConfig, say: Say) -> None:
    scenes = [i.image.scene for those in sets.values() for one in those for i in one.items if i.image.scene is not None]
    if scenes:
        draw_missing(list(dict.fromkeys(scenes)), os.cpu_count() or 1, say)


class _processes:
    """(rank, ranks) of this process under torchrun, with its process group; (0, 1) otherwise."""

    def __enter__(self) -> tuple[int, int]:
        ranks = int(os.environ.get("WORLD_SIZE", "1"))
        if ranks > 1:
            torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return int(os.environ.get("RANK", "0")), ranks

    def __exit__(self, *_: object) -> None:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _started(config: TrainConfig, out: Path, table: ClassTable, rank: int, ranks: int, overwrite: bool) -> _Run:
    """A fresh run, or the one that the checkpoint holds."""
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    device = pick_device(config.device)
    if device.startswith("cuda") and ranks > 1:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    network = make_network(config.model.network, len(config.model.bands), len(table), **config.model.arguments)
    saved = None if overwrite else load_checkpoint(out / "checkpoint.pt")
    key = _config_key(config)
    if saved is None:
        _load_start(network, config, table)
    elif saved["config"] != key:
        raise UsageError(
            out, "holds the checkpoint of another config", "choose another --out, or start again with --overwrite"
        )
    else:
        network.load_state_dict(saved["network"])
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = _Run(config, out, table, network, Average(network, config.average), device, rank, ranks)
    if saved is not None:
        _restore(run, saved)
    return run


def _config_key(config: TrainConfig) -> str:
    """Hash of all that decides the weights."""
    decides = config.model_dump(mode="json", exclude={"out", "workers", "threads", "tensorboard", "checkpoint_every"})
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _load_start(network: nn.Module, config: TrainConfig, table: ClassTable) -> None:
    if config.model.backbone_weights is not None:
        path = config.model.backbone_weights
        log.info("%d tensors of the backbone from %s", load_backbone(network, load_weights(path), path), path)
    if config.model.init is not None:
        model = load_model(config.model.init)
        theirs = tuple(c.name for c in model.card.classes.classes)
        taken, shared = matched_by_name(network, model.state or {}, tuple(c.name for c in table.classes), theirs)
        log.info("%d tensors from %s; classes that share a name: %s", taken, model.path, ", ".join(shared) or "none")


def _restore(run: _Run, saved: dict[str, Any]) -> None:
    run.step, run.best, run.stale = saved["step"], saved["best"], saved["stale"]
    run.best_state, run.history = saved["best_state"], saved["history"]
    run.optimiser_state, run.scaler_state = saved["optimiser"], saved["scaler"]
    run.average.count = saved["average_count"]
    run.average.state = {k: v.to(run.device) for k, v in saved["average"].items()}


def _describe(sets: dict[str, list[LabelledSet]], run: _Run, say: Say) -> None:
    for split, those in sets.items():
        for one in those:
            area = sum(i.region[2] * i.region[3] * i.image.gsd**2 for i in one.items)
            say(f"{split}: {one.name}: {len(one.items)} regions, {area / 1e4:.2f} ha")
    count = sum(p.numel() for p in run.network.parameters())
    say(
        f"{run.config.model.network}: {count / 1e6:.2f} M parameters on {run.device}, step {run.step} of {run.starts[-1]}"
    )


def _stopped_early(run: _Run) -> bool:
    return bool(run.config.patience) and run.stale >= run.config.patience


def _samples(run: _Run, stage: Stage, sets: list[LabelledSet]) -> Samples:
    section = run.config.augment.model_dump()
    augmentation = Augmentation(**section).scaled(stage.augment)
    return Samples(
        tuple(sets),
        run.config.crop,
        run.config.model.gsd,
        tuple(run.config.model.mean),
        augmentation,
        run.config.seed,
        run.config.balance,
    )


def _run_stage(run: _Run, number: int, stage: Stage, sets: dict[str, list[LabelledSet]], say: Say) -> None:
    """Steps of one stage, from wherever the run is in it."""
    config, start = run.config, run.starts[number]
    steps = _prepared(run, stage)
    workers = config.workers if config.workers is not None else max(1, (os.cpu_count() or 2) // 2)
    batches = loader(
        _samples(run, stage, sets["train"]),
        run.step * config.accumulate,
        run.starts[number + 1] * config.accumulate,
        config.batch,
        workers=workers,
        rank=run.rank,
        ranks=run.ranks,
        pinned=run.device.startswith("cuda"),
    )
    say(
        f"stage {number + 1} of {len(config.stages)} {stage.name}: {stage.steps} steps, {len(steps.frozen)} modules frozen"
    )
    losses: list[float] = []
    clock = _Clock(run)
    for step in range(run.step, run.starts[number + 1]):
        torch.manual_seed(config.seed * 1_000_003 + step)  # dropout, the same after a restart
        losses.append(_step(run, steps, clock.timed(batches), step - start))
        run.average.update(_bare(steps.network))
        run.step, run.taken = step + 1, run.taken + 1
        clock.lap()
        if run.step % 20 == 0 or run.step == run.starts[-1]:
            say(clock.line(run, losses))
        due = run.step % config.validate_every == 0 or run.step == run.starts[number + 1]
        if due:
            _validated(run, sets, float(np.mean(losses)), say)
            losses = []
            clock.start()
        if due or run.step % config.checkpoint_every == 0:
            ended = run.step == run.starts[number + 1]
            _save(run, None if ended else steps)
        if _stopped_early(run):
            say(f"no better for {run.stale} validations: stopped")
            return
    run.optimiser_state = run.scaler_state = None


def _prepared(run: _Run, stage: Stage) -> Steps:
    config = run.config
    frozen = freeze(run.network, stage.freeze)
    groups = parameter_groups(run.network, stage.rate, stage.backbone_rate, config.weight_decay)
    if not groups:
        raise UsageError("freeze", "leaves nothing to train", "freeze less")
    optimiser: torch.optim.Optimizer = (
        torch.optim.AdamW(groups)
        if config.optimiser == "adamw"
        else torch.optim.SGD(groups, momentum=config.momentum, nesterov=config.momentum > 0)
    )
    precision = precision_of(config.precision, run.device)
    scaler = torch.amp.GradScaler(run.device.split(":")[0], enabled=precision == "fp16")
    if run.optimiser_state is not None:
        optimiser.load_state_dict(run.optimiser_state)
        scaler.load_state_dict(run.scaler_state or {})
        run.optimiser_state = run.scaler_state = None
    network = run.network
    if run.ranks > 1:
        network = nn.parallel.DistributedDataParallel(network, find_unused_parameters=bool(stage.freeze))
    return Steps(network, optimiser, scaler, frozen, config, stage, run.device, precision)


def _bare(network: nn.Module) -> nn.Module:
    return network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network


def _step(run: _Run, steps: Steps, batches: Iterator[Batch], step: int) -> float:
    try:
        return steps.take(batches, step)[0]
    except TrainingError as error:
        if error.batch is not None:
            buffer = io.BytesIO()
            np.savez(buffer, images=error.batch[0].numpy(), labels=error.batch[1].numpy(), sets=error.batch[2].numpy())
            commit_bytes(run.out / "bad_batch.npz", buffer.getbuffer())
            error.cure += f": {run.out / 'bad_batch.npz'}"
        raise TrainingError(f"{run.out} {error.subject}", error.what, error.cure) from error


class _Clock:
    """How long steps take and how much of that is waiting for data."""

    def __init__(self, run: _Run) -> None:
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

    def line(self, run: _Run, losses: list[float]) -> str:
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


def _validated(run: _Run, sets: dict[str, list[LabelledSet]], loss: float, say: Say) -> None:
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


def _validation_line(row: dict[str, Any], run: _Run) -> str:
    if row["mean_iou"] is None:
        return f"step {row['step']}: loss {row['loss']:.3f} (no validation data)"
    ious = ", ".join(
        f"{c.name} {row[f'iou {c.name}']:.2f}" for c in run.table.classes if row.get(f"iou {c.name}") is not None
    )
    return f"step {row['step']}: validation mIoU {row['mean_iou']:.4f}{' (best)' if not run.stale else ''}; {ious}"


def _write_log(run: _Run) -> None:
    columns = list(dict.fromkeys(k for row in run.history for k in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(run.history)
    commit_bytes(run.out / "log.csv", text.getvalue().encode())
    commit_bytes(run.out / "curves.png", curves_png(run.history, run.starts[:-1]))
    if run.config.tensorboard:
        _write_tensorboard(run)


def _write_tensorboard(run: _Run) -> None:
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


def _save(run: _Run, steps: Steps | None) -> None:
    """Checkpoint; optimiser state only within a stage, since each stage starts with a new optimiser."""
    if not run.first_rank:
        return
    save_checkpoint(
        run.out / "checkpoint.pt",
        {
            "config": _config_key(run.config),
            "step": run.step,
            "best": run.best,
            "stale": run.stale,
            "network": run.network.state_dict(),
            "average": run.average.state,
            "average_count": run.average.count,
            "best_state": run.best_state,
            "history": run.history,
            "optimiser": None if steps is None else steps.optimiser.state_dict(),
            "scaler": None if steps is None else steps.scaler.state_dict(),
        },
    )


def _finished(run: _Run, sets: dict[str, list[LabelledSet]], say: Say) -> TrainResult:
    """Calibrate the best weights and write the model with its card."""
    from geoseg.io.model_file import save_model

    path = run.out / "model.safetensors"
    best = run.best if run.best >= 0 else None
    waiting = run.waited / run.spent if run.spent else 0.0
    rate = (
        run.config.batch * run.config.accumulate * run.ranks * max(0, run.taken - 1) / run.spent if run.spent else 0.0
    )
    if not run.first_rank:
        return TrainResult(path, run.step, best, waiting, rate)
    state = run.best_state or {k: v.detach().cpu() for k, v in run.average.state.items()}
    network = make_network(
        run.config.model.network, len(run.config.model.bands), len(run.table), **run.config.model.arguments
    )
    network.load_state_dict(state)
    card = card_of(run.config, run.table)
    held = sets["validation"] or sets["train"]
    temperature = fitted_temperature(network.eval(), card, held, run.config.crop)
    names = {split: [s.name for s in those] for split, those in sets.items() if those}
    save_model(path, state, finished_card(card, run.config, names, run.history, temperature, run.step))
    commit_json(run.out / "config.json", run.config.model_dump(mode="json"))
    say(f"{path}: best validation mIoU {'unknown' if best is None else f'{best:.4f}'}, temperature {temperature:.2f}")
    return TrainResult(path, run.step, best, waiting, rate)


def preview(config: TrainConfig, picture: Path, count: int = 24) -> None:
    """A contact sheet of augmented samples and their labels, to be looked at before any training."""
    table = class_table(config.model)
    kept = None if config.out is None else config.out / "cache"
    sets = labelled_sets(config.data, table, len(config.model.bands), kept)
    if not sets["train"]:
        raise UsageError("data", "leaves nothing to train on", "give a set without `use: validation`")
    samples = Samples(
        tuple(sets["train"]),
        config.crop,
        config.model.gsd,
        tuple(config.model.mean),
        Augmentation(**config.augment.model_dump()).scaled(max(s.augment for s in config.stages)),
        config.seed,
        config.balance,
    )
    write_png(picture, contact_sheet([samples[i][:2] for i in range(count)], table))
