"""geoseg train: a config to a model file.

data sets -> split, leak check -> samples -> stages of steps -> validation -> best weights -> temperature -> model.safetensors
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from geoseg.commit import commit_bytes, commit_json, folder
from geoseg.datasets.samples import Batches, Crop, LabelledSet, Samples, loader
from geoseg.datasets.scene_cache import draw_missing
from geoseg.datasets.sets import class_table, labelled_sets
from geoseg.errors import TrainingError, UsageError
from geoseg.gis.picture import write_png
from geoseg.learn.augment import Augmentation
from geoseg.learn.loop import Batch, Steps, precision_of
from geoseg.learn.parts import freeze, parameter_groups
from geoseg.learn.pictures import contact_sheet
from geoseg.learn.settings import Stage, TrainConfig
from geoseg.networks import make_network
from geoseg.runfolder.lease import lease
from geoseg.stages.train.card import card_of, finished_card
from geoseg.stages.train.log import Clock, Say, validated
from geoseg.stages.train.run import TrainingRun, bare, save, started
from geoseg.stages.train.validate import fitted_temperature

__all__ = ["TrainResult", "preview", "train"]


@dataclass(frozen=True)
class TrainResult:
    """What a finished training left."""

    model: Path
    steps: int
    mean_iou: float | None
    waiting: float
    rate: float


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
    with _processes() as (rank, ranks), lease((out if ranks == 1 else out / f"rank{rank}") / "locks"):
        table = class_table(config.model)
        sets = labelled_sets(config.data, table, len(config.model.bands), out / "cache")
        if not sets["train"]:
            raise UsageError("data", "leaves nothing to train on", "give a set without `use: validation`")
        if rank == 0:
            _draw_scenes(sets, config, say)
        run = started(config, out, table, rank, ranks, overwrite)
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


def _describe(sets: dict[str, list[LabelledSet]], run: TrainingRun, say: Say) -> None:
    for split, those in sets.items():
        for one in those:
            area = sum(i.region[2] * i.region[3] * i.image.gsd**2 for i in one.items)
            say(f"{split}: {one.name}: {len(one.items)} regions, {area / 1e4:.2f} ha")
    count = sum(p.numel() for p in run.network.parameters())
    say(
        f"{run.config.model.network}: {count / 1e6:.2f} M parameters on {run.device}, step {run.step} of {run.starts[-1]}"
    )


def _stopped_early(run: TrainingRun) -> bool:
    return bool(run.config.patience) and run.stale >= run.config.patience


def _samples(run: TrainingRun, stage: Stage, sets: list[LabelledSet]) -> Samples:
    section = run.config.augment.model_dump()
    augmentation = Augmentation(**section).scaled(stage.augment)
    return Samples(
        tuple(sets),
        Crop(run.config.crop, run.config.model.gsd, tuple(run.config.model.mean)),
        augmentation,
        run.config.seed,
        run.config.balance,
    )


def _run_stage(run: TrainingRun, number: int, stage: Stage, sets: dict[str, list[LabelledSet]], say: Say) -> None:
    """Steps of one stage, from wherever the run is in it."""
    config, start = run.config, run.starts[number]
    steps = _prepared(run, stage)
    workers = config.workers if config.workers is not None else max(1, (os.cpu_count() or 2) // 2)
    batches = loader(
        _samples(run, stage, sets["train"]),
        Batches(
            run.step * config.accumulate,
            run.starts[number + 1] * config.accumulate,
            config.batch,
            run.rank,
            run.ranks,
        ),
        workers=workers,
        pinned=run.device.startswith("cuda"),
    )
    say(
        f"stage {number + 1} of {len(config.stages)} {stage.name}: {stage.steps} steps, {len(steps.frozen)} modules frozen"
    )
    clock = Clock(run)
    for step in range(run.step, run.starts[number + 1]):
        torch.manual_seed(config.seed * 1_000_003 + step)  # dropout, the same after a restart
        run.losses.append(_step(run, steps, clock.timed(batches), step - start))
        run.average.update(bare(steps.network))
        run.step, run.taken = step + 1, run.taken + 1
        clock.lap()
        if run.step % 20 == 0 or run.step == run.starts[-1]:
            say(clock.line(run, run.losses))
        due = run.step % config.validate_every == 0 or run.step == run.starts[number + 1]
        if due:
            validated(run, sets, float(np.mean(run.losses)), say)
            run.losses = []
            clock.start()
        if due or run.step % config.checkpoint_every == 0:
            ended = run.step == run.starts[number + 1]
            save(run, None if ended else steps)
        if _stopped_early(run):
            say(f"no better for {run.stale} validations: stopped")
            return
    run.optimiser_state = run.scaler_state = None


def _prepared(run: TrainingRun, stage: Stage) -> Steps:
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


def _step(run: TrainingRun, steps: Steps, batches: Iterator[Batch], step: int) -> float:
    try:
        return steps.take(batches, step)
    except TrainingError as error:
        if error.batch is not None:
            buffer = io.BytesIO()
            np.savez(buffer, images=error.batch[0].numpy(), labels=error.batch[1].numpy(), sets=error.batch[2].numpy())
            commit_bytes(run.out / "bad_batch.npz", buffer.getbuffer())
            error.cure += f": {run.out / 'bad_batch.npz'}"
        raise TrainingError(f"{run.out} {error.subject}", error.what, error.cure) from error


def _finished(run: TrainingRun, sets: dict[str, list[LabelledSet]], say: Say) -> TrainResult:
    """Calibrate the best weights and write the model with its card."""
    from geoseg.models.files import save_model

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
        Crop(config.crop, config.model.gsd, tuple(config.model.mean)),
        Augmentation(**config.augment.model_dump()).scaled(max(s.augment for s in config.stages)),
        config.seed,
        config.balance,
    )
    write_png(picture, contact_sheet([samples[i][:2] for i in range(count)], table))
