"""geoseg train: from a config to a model file.

data sets -> split, leak check -> run -> stages of steps, each with validations -> best weights -> temperature -> model
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from geoseg.arrays import Json, full_scale
from geoseg.classes import ClassTable
from geoseg.commit import commit_bytes, commit_json, folder
from geoseg.datasets.samples import Batches, Crop, LabelledSet, Samples, loader
from geoseg.datasets.scene_cache import draw_missing
from geoseg.datasets.sets import class_table, labelled_sets
from geoseg.errors import TrainingError, UsageError
from geoseg.gis.picture import write_png
from geoseg.learn.adapt import Teacher
from geoseg.learn.augment import Augmentation
from geoseg.learn.loop import Batch, Steps, precision_of
from geoseg.learn.parts import freeze, parameter_groups
from geoseg.learn.pictures import contact_sheet
from geoseg.learn.settings import TrainConfig
from geoseg.metrics.pixels import Tally, scores_of
from geoseg.models.card import Card
from geoseg.models.files import save_model
from geoseg.runfolder.lease import lease
from geoseg.stages.train.card import card_of, finished_card
from geoseg.stages.train.log import Clock, Say, record_validation
from geoseg.stages.train.run import TrainingRun, new_network, save, start_run, unwrap
from geoseg.stages.train.validate import fit_temperature, mean_loss, validate

__all__ = ["TrainResult", "preview", "train"]

Sets = dict[str, list[LabelledSet]]
"""Labelled sets of each split."""


@dataclass(frozen=True)
class TrainResult:
    """The result of a training: the model file, steps, best validation mIoU, and its speed.

    `waiting` is the share of the time spent on waiting for data; `rate` is samples per second.
    """

    model: Path
    steps: int
    mean_iou: float | None
    waiting: float
    rate: float


def train(config: TrainConfig, out: Path, say: Say = lambda line: None, *, overwrite: bool = False) -> TrainResult:
    """Train, or go on where a killed run stopped; on a CPU the same seed gives the same weights either way.

    Args:
        config: the whole run.
        out: folder of checkpoint, logs and model.
        say: gets progress lines.
        overwrite: start again although there is a checkpoint.

    Raises:
        UsageError: data, splits or parts of the network that do not fit, or a checkpoint of another config.
        ModelError: weights to start from that do not fit.
        TrainingError: the loss is not finite; the batch is saved.
    """
    folder(out)
    with _process_group() as (rank, ranks), lease((out if ranks == 1 else out / f"rank{rank}") / "locks"):
        table = class_table(config.model)
        sets = _load_sets(config, table, out / "cache")
        if rank == 0:
            _draw_scenes(sets, say)
        run = start_run(config, out, table, rank, ranks, overwrite)
        _describe(sets, run, say)
        for number in range(len(config.stages)):
            if run.step < run.starts[number + 1] and not run.stopped:
                _run_stage(run, number, sets, say)
        return _finish(run, sets, say)


@contextmanager
def _process_group() -> Iterator[tuple[int, int]]:
    """(rank, ranks) of this process under torchrun, inside its process group; (0, 1) otherwise."""
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks > 1:
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield int(os.environ.get("RANK", "0")), ranks
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _load_sets(config: TrainConfig, table: ClassTable, cache: Path | None) -> Sets:
    sets = labelled_sets(config.data, table, tuple(config.model.bands), cache, config.model.dtype)
    if not sets["train"]:
        raise UsageError("data", "leaves nothing to train on", "give a set without `use: validation`")
    if all(i.labels.kind == "none" for one in sets["train"] for i in one.items):
        raise UsageError("data", "has no labels to train on", "add a set with labels, such as drawn scenes")
    return sets


def _draw_scenes(sets: Sets, say: Say) -> None:
    """Draw all scenes that are not on disk yet."""
    scenes = [i.image.scene for those in sets.values() for one in those for i in one.items if i.image.scene is not None]
    if scenes:
        draw_missing(list(dict.fromkeys(scenes)), os.cpu_count() or 1, say)


def _describe(sets: Sets, run: TrainingRun, say: Say) -> None:
    """Say what is trained on what."""
    for split, those in sets.items():
        for one in those:
            area = sum(i.region[2] * i.region[3] * i.image.gsd**2 for i in one.items)
            say(f"{split}: {one.name}: {len(one.items)} regions, {area / 1e4:.2f} ha")
    size = sum(p.numel() for p in run.network.parameters()) / 1e6
    say(f"{run.config.model.network}: {size:.2f} M parameters on {run.device}, step {run.step} of {run.starts[-1]}")


def _samples(config: TrainConfig, sets: list[LabelledSet], strength: float) -> Samples:
    """Training samples with augmentation of some strength."""
    crop = Crop(
        config.crop, config.model.gsd, tuple(config.model.mean), full_scale(config.model.dtype), tuple(config.model.aux)
    )
    augmentation = Augmentation(**config.augment.model_dump()).at_strength(strength)
    return Samples(tuple(sets), crop, augmentation, config.seed, config.balance)


def _load_batches(run: TrainingRun, number: int, sets: list[LabelledSet]) -> Iterator[Batch]:
    """The batches of one stage, from the run's step on."""
    config = run.config
    workers = config.workers if config.workers is not None else max(1, (os.cpu_count() or 2) // 2)
    first, last = run.step * config.accumulate, run.starts[number + 1] * config.accumulate
    batches = Batches(first, last, config.batch, run.rank, run.ranks)
    samples = _samples(config, sets, config.stages[number].augment)
    return loader(samples, batches, workers=workers, pinned=run.device.startswith("cuda"))


def _run_stage(run: TrainingRun, number: int, sets: Sets, say: Say) -> None:
    """Take the steps of one stage, from the run's step on, with validations and checkpoints."""
    config, stage, end = run.config, run.config.stages[number], run.starts[number + 1]
    steps, clock = _prepare_steps(run, number, sets["train"]), Clock(run)
    batches = clock.time_batches(_load_batches(run, number, sets["train"]))
    say(
        f"stage {number + 1} of {len(config.stages)} {stage.name}: {stage.steps} steps, "
        f"{len(steps.frozen)} modules frozen"
    )
    clock.start()
    for step in range(run.step, end):
        torch.manual_seed(config.seed * 1_000_003 + step)  # dropout is the same after a restart
        run.losses.append(_take_step(run, steps, batches, step - run.starts[number]))
        run.average.update(unwrap(steps.network))
        run.step, run.taken = step + 1, run.taken + 1
        clock.lap()
        if run.step % 20 == 0 or run.step == run.starts[-1]:
            say(clock.line())
        due = run.step % config.validate_every == 0 or run.step == end
        if due:
            record_validation(run, sets["validation"], say)
            run.losses = []
            clock.start()
        if due or run.step % config.checkpoint_every == 0:
            save(run, None if run.step == end else steps)
        if run.stopped:
            say(f"no better for {run.stale} validations: stopped")
            return
    run.optimiser_state = run.scaler_state = None


def _prepare_steps(run: TrainingRun, number: int, sets: list[LabelledSet]) -> Steps:
    """A stage's optimiser, in the state of the checkpoint where there is one, its frozen parts, and the teacher."""
    config, stage = run.config, run.config.stages[number]
    frozen = freeze(run.network, stage.freeze)
    groups = parameter_groups(run.network, stage.rate, stage.backbone_rate, config.weight_decay)
    if not groups:
        raise UsageError("freeze", "leaves nothing to train", "freeze less")
    optimiser: torch.optim.Optimizer
    if config.optimiser == "sgd":
        optimiser = torch.optim.SGD(groups, momentum=config.momentum, nesterov=config.momentum > 0)
    else:
        optimiser = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config.optimiser](groups)
    precision = precision_of(config.precision, run.device)
    scaler = torch.amp.GradScaler(run.device.split(":")[0], enabled=precision == "fp16")
    if run.optimiser_state is not None:
        optimiser.load_state_dict(run.optimiser_state)
        scaler.load_state_dict(run.scaler_state or {})
        run.optimiser_state = run.scaler_state = None
    network = run.network
    if run.ranks > 1:
        network = nn.parallel.DistributedDataParallel(network, find_unused_parameters=bool(stage.freeze))
    teacher = _teacher(run, sets)
    return Steps(network, optimiser, scaler, frozen, config, stage, run.device, precision, teacher, run.starts[number])


def _teacher(run: TrainingRun, sets: list[LabelledSet]) -> Teacher | None:
    """The teacher of sets without labels; None where every set has some."""
    bare = frozenset(i for i, one in enumerate(sets) if one.items[0].labels.kind == "none")
    if not bare:
        return None
    network = new_network(run.config, run.table).to(run.device)
    full = full_scale(run.config.model.dtype)
    return Teacher(network, run.average, run.config.adapt, bare, run.config.seed, full, len(run.config.model.aux))


def _take_step(run: TrainingRun, steps: Steps, batches: Iterator[Batch], step: int) -> float:
    """Take one step; returns its loss. A batch without a finite loss is saved."""
    try:
        return steps.take(batches, step)
    except TrainingError as error:
        if error.batch is not None:
            images, labels, sets = map(np.asarray, error.batch)
            buffer = io.BytesIO()
            np.savez(buffer, images=images, labels=labels, sets=sets)
            commit_bytes(run.out / "bad_batch.npz", buffer.getbuffer())
            error.cure += f": {run.out / 'bad_batch.npz'}"
        raise TrainingError(f"{run.out} {error.subject}", error.what, error.cure) from error


def _finish(run: TrainingRun, sets: Sets, say: Say) -> TrainResult:
    """Calibrate the best weights and write the model with its card."""
    path = run.out / "model.safetensors"
    best = run.best if run.best >= 0 else None
    waiting = run.waited / run.spent if run.spent else 0.0
    rate = run.samples_per_step * max(0, run.taken - 1) / run.spent if run.spent else 0.0
    result = TrainResult(path, run.step, best, waiting, rate)
    if not run.first_rank:
        return result
    state = run.best_state or {k: v.detach().cpu() for k, v in run.average.state.items()}
    network = new_network(run.config, run.table)
    network.load_state_dict(state)
    card = card_of(run.config, run.table)
    held = sets["validation"] or sets["train"]
    temperature = fit_temperature(network.eval(), card, held, run.config.crop)
    names = {split: [s.name for s in those] for split, those in sets.items() if those}
    card = finished_card(card, run.config, names, run.history, temperature, run.step)
    if sets["test"]:
        scores = _test_scores(run, network, card, sets["test"])
        card = replace(card, metrics={**card.metrics, "test": scores})
        say(f"test split: mean loss {scores['mean_loss']:.4f}, mIoU {scores['mean_iou']:.4f}")
    save_model(path, state, card)
    commit_json(run.out / "config.json", run.config.model_dump(mode="json"))
    say(f"{path}: best validation mIoU {'unknown' if best is None else f'{best:.4f}'}, temperature {temperature:.2f}")
    return result


def _test_scores(run: TrainingRun, network: nn.Module, card: Card, sets: list[LabelledSet]) -> Json:
    """Loss and scores of the finished network on the test split, with their protocol."""
    loss, crops = mean_loss(network, card, sets, run.config)
    tallies = validate(network, card, sets, run.config.validation_pixels, run.device)
    found = scores_of(sum(tallies.values(), start=Tally.zero(len(run.table))))
    names = ", ".join(s.name for s in sets)
    return {
        "protocol": f"test sets ({names}), looked at once, after training: {run.config.loss.kind} over {crops} crops "
        f"of {run.config.crop} px without augmentation; scores as those of the validation",
        "mean_loss": round(loss, 4),
        "mean_iou": round(found["mean_iou"], 4),
        **({"overall_accuracy": round(oa, 4)} if math.isfinite(oa := found["overall_accuracy"]) else {}),
    }


def preview(config: TrainConfig, picture: Path, count: int = 24) -> None:
    """Write a contact sheet of augmented samples and their labels, to look at before training.

    Args:
        config: the whole run.
        picture: PNG to write.
        count: number of samples.

    Raises:
        UsageError: data or splits that do not fit.
    """
    table = class_table(config.model)
    sets = _load_sets(config, table, None if config.out is None else config.out / "cache")
    samples = _samples(config, sets["train"], max(s.augment for s in config.stages))
    write_png(picture, contact_sheet([samples[i][:2] for i in range(count)], table, full=samples.crop.full))
