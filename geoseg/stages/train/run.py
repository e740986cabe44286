"""The state of one training run: new, from other weights or from its checkpoint; and how it is saved."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from geoseg.arrays import Json
from geoseg.classes import ClassTable
from geoseg.errors import UsageError
from geoseg.learn.checkpoint import Checkpoint, Row, State, load_checkpoint, save_checkpoint
from geoseg.learn.loop import Steps, is_stuck
from geoseg.learn.parts import Average
from geoseg.learn.settings import TrainConfig
from geoseg.models.files import load_model, load_weights
from geoseg.networks import geometry_of, make_network
from geoseg.networks.backbone import imagenet_weights, load_backbone, load_by_name, torchvision_weights
from geoseg.predict.cuda import pick_device
from geoseg.stages.train.card import card_of
from geoseg.weights import model_path

__all__ = ["TrainingRun", "new_network", "save", "start_run", "unwrap"]

log = logging.getLogger(__name__)


@dataclass
class TrainingRun:
    """The state of one training run. Mutable: steps change it, checkpoints save it.

    `rank` of `ranks` processes; `step` counts those done; `best` is the best validation's mIoU (-1 without one) and
    `best_state` its weights; `stale` counts validations since then. `losses` are those since the last validation.
    `taken` steps of this process took `spent` seconds, of which it `waited` for data.
    """

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
    best_state: State | None = None
    optimiser_state: Json | None = None
    scaler_state: Json | None = None
    history: list[Row] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    waited: float = 0.0
    spent: float = 0.0
    taken: int = 0

    @property
    def first_rank(self) -> bool:
        """True for the one process that writes."""
        return self.rank == 0

    @property
    def starts(self) -> list[int]:
        """The first step of each stage, and the number of all steps."""
        return [0, *np.cumsum([s.steps for s in self.config.stages]).tolist()]

    @property
    def stopped(self) -> bool:
        """True once training stops early."""
        return is_stuck(self.config, self.stale)

    @property
    def samples_per_step(self) -> int:
        """Samples of one step, over all processes."""
        return self.config.batch * self.config.accumulate * self.ranks


def new_network(config: TrainConfig, table: ClassTable) -> nn.Module:
    """The network of a config, with random weights."""
    return make_network(config.model.network, **card_of(config, table).network)


def start_run(config: TrainConfig, out: Path, table: ClassTable, rank: int, ranks: int, overwrite: bool) -> TrainingRun:
    """A new run, or the one in the checkpoint of the folder `out`.

    Raises:
        UsageError: the checkpoint is of another config, or the network cannot train on batches of one.
        ModelError: weights to start from do not fit.
        PlanError: the checkpoint is damaged.
    """
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    device = pick_device(config.device)
    if device.startswith("cuda") and ranks > 1:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    if config.batch == 1 and geometry_of(config.model.network).patch_dependent:
        raise UsageError(
            "batch",
            f"1, but {config.model.network} normalises over pooled samples and needs two",
            "set batch: 2 or more",
        )
    network = new_network(config, table)
    saved = None if overwrite else load_checkpoint(out / "checkpoint.pt")
    if saved is None:
        _load_start(network, config, table)
    elif saved["config"] != _config_key(config):
        raise UsageError(
            out, "holds the checkpoint of another config", "choose another --out, or start again with --overwrite"
        )
    else:
        network.load_state_dict(saved["network"])
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = TrainingRun(config, out, table, network, Average(network, config.average), device, rank, ranks)
    if saved is not None:
        _restore(run, saved)
    return run


def _config_key(config: TrainConfig) -> str:
    """Hash of all settings that decide the weights."""
    decides = config.model_dump(mode="json", exclude={"out", "workers", "threads", "tensorboard", "checkpoint_every"})
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _load_start(network: nn.Module, config: TrainConfig, table: ClassTable) -> None:
    """Load the weights that a config starts from, where it names any."""
    if config.model.backbone_weights is not None:
        path = config.model.backbone_weights
        state = imagenet_weights(config.model.network) if path == "imagenet" else load_weights(Path(path))
        log.info("%d tensors of the backbone from %s", load_backbone(network, state, path), path)
    if config.model.init is not None:
        state, theirs = _whole_weights(config.model.init, config.model.network)
        taken, shared = load_by_name(network, state, tuple(c.name for c in table.classes), theirs)
        source = config.model.init
        log.info("%d tensors from %s; classes that share a name: %s", taken, source, ", ".join(shared) or "none")


def _whole_weights(source: str | Path, network: str) -> tuple[State, tuple[str, ...]]:
    """Weights of a whole network and the names of its classes; a state dict without a card does not tell them."""
    if source == "torchvision":
        return torchvision_weights(network)
    source = model_path(source)
    if source.suffix in (".pth", ".pt") and not source.with_suffix(".json").is_file():
        return load_weights(source), ()
    model = load_model(source)
    return model.state or {}, tuple(c.name for c in model.card.classes.classes)


def _restore(run: TrainingRun, saved: Checkpoint) -> None:
    run.step, run.best, run.stale = saved["step"], saved["best"], saved["stale"]
    run.best_state, run.history = saved["best_state"], saved["history"]
    run.losses = saved["losses"]
    run.optimiser_state, run.scaler_state = saved["optimiser"], saved["scaler"]
    run.average.count = saved["average_count"]
    run.average.state = {k: v.to(run.device) for k, v in saved["average"].items()}


def save(run: TrainingRun, steps: Steps | None) -> None:
    """Save a checkpoint.

    Pass `steps` within a stage; between two, None, since each stage starts with a new optimiser.
    """
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
            "losses": run.losses,
            "optimiser": None if steps is None else steps.optimiser.state_dict(),
            "scaler": None if steps is None else steps.scaler.state_dict(),
        },
    )


def unwrap(network: nn.Module) -> nn.Module:
    """The network itself, without the wrapper that trains it on several devices."""
    return network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network
