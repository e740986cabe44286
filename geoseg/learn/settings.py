"""The config of `geoseg train`: every key with its default, checked before anything is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from geoseg.config import load_yaml
from geoseg.layers import ROLES

__all__ = [
    "AdaptSection",
    "AugmentSection",
    "DataSection",
    "ModelSection",
    "SplitSection",
    "Stage",
    "TrainConfig",
    "load_settings",
    "with_absolute_paths",
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class ClassRow(_Section):
    """One class of the user's own class table."""

    value: int = Field(ge=0, le=127)
    name: str
    colour: tuple[int, int, int]
    role: str = "other"

    @field_validator("role")
    @classmethod
    def _known_role(cls, role: str) -> str:
        if role not in ROLES:
            raise ValueError(f"expected one of {', '.join(ROLES)}")
        return role


class ModelSection(_Section):
    """The network and the contents of its card."""

    network: str = "unet_s"
    arguments: dict[str, Any] = {}
    aux: list[Literal["contact"]] = []
    classes: Literal["isprs", "voc", "cityscapes"] | list[ClassRow] = "isprs"
    bands: list[Literal["red", "green", "blue", "nir", "grey", "height", "other"]] = ["red", "green", "blue"]
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"
    gsd: float = Field(0.1, gt=0)
    gsd_range: tuple[float, float] | None = None
    mean: list[float] = [123.675, 116.28, 103.53]
    std: list[float] = [58.395, 57.12, 57.375]
    patch: int | None = Field(None, ge=32)
    overlap: int | None = Field(None, ge=0)
    backbone_weights: Literal["imagenet"] | Path | None = None
    init: Literal["torchvision", "shipped", "shipped-0.1"] | Path | None = None
    name: str = ""
    good_for: str = ""
    not_good_for: str = ""
    licence: str = ""


class SplitSection(_Section):
    """The split of one data set; see `geoseg.datasets.split`."""

    validation: list[str] = []
    test: list[str] = []
    side: Literal["", "north", "south", "east", "west"] = ""
    blocks: float = Field(0, ge=0)
    share: float = Field(0.25, gt=0, lt=1)
    gap: float = Field(0, ge=0)
    to: Literal["validation", "test"] = "validation"
    seed: int = 0


class DataSection(_Section):
    """One data set; its `kind` decides which keys count."""

    kind: Literal[
        "isprs", "voc", "cityscapes", "pairs", "patches", "polygons", "boxes", "unlabelled", "corrections", "scenes"
    ]
    name: str = ""
    root: Path = Path(".")
    share: float = Field(1.0, gt=0)
    use: Literal["split", "train", "validation", "test"] = "split"
    split: SplitSection = SplitSection()
    # isprs
    city: Literal["potsdam", "vaihingen"] = "potsdam"
    sheets: Literal["RGB", "IRRG", "RGBIR"] = "RGB"
    boundary: Literal["all", "noBoundary", "eroded"] = "all"
    exclude: list[str] = []
    # pairs, polygons, boxes
    images: str = "**/*"
    labels: str = ""
    classes: dict[str | int, str] = {}
    legend: Literal["auto", "values", "isprs", "colours"] = "auto"
    rest: str = ""
    column: str = ""
    bands: list[int] = []
    gsd: float = Field(0, ge=0)
    crs: str = ""
    nodata: str | float = ""
    range: tuple[float, float] | None = None
    bbox: tuple[float, float, float, float] | None = None
    # voc
    year: str = "2012"
    # voc, cityscapes, and pairs of PNG or JPEG
    resize: tuple[int, int] | None = None
    # scenes
    seed: int = 1000
    count: int = Field(16, ge=1)
    metres: float = Field(64, gt=4)
    pixel_sizes: tuple[float, float] = (0.085, 0.15)
    quarters: list[str] = []
    cache: bool = True


class AugmentSection(_Section):
    """The changes that a sample may undergo; see `geoseg.learn.augment.Augmentation`."""

    flip: bool = True
    scale: tuple[float, float] = (0.75, 1.33)
    rotate: float = Field(0.3, ge=0, le=1)
    colour: float = Field(1.0, ge=0)
    grey: float = Field(0.02, ge=0, le=1)
    blur: float = Field(0.2, ge=0, le=1)
    noise: float = Field(0.2, ge=0, le=1)
    jpeg: float = Field(0.2, ge=0, le=1)
    nodata: float = Field(0.1, ge=0, le=1)


class LossSection(_Section):
    """The loss.

    `auxiliary`: weight of a network's own auxiliary head; `aux`: that of the scores beside the classes.
    """

    kind: Literal["cross_entropy", "dice", "cross_entropy+dice", "focal", "lovasz", "cross_entropy+lovasz"] = (
        "cross_entropy+dice"
    )
    smoothing: float = Field(0.03, ge=0, lt=1)
    class_weights: list[float] = []
    gamma: float = Field(2.0, ge=0)
    dice_weight: float = Field(0.5, ge=0)
    auxiliary: float = Field(0.4, ge=0)
    aux: float = Field(1.0, ge=0)


class AdaptSection(_Section):
    """Self-training on data of the kind `unlabelled`; see `geoseg.learn.adapt`."""

    weight: float = Field(1.0, ge=0)
    threshold: float = Field(0.9, gt=0, le=1)
    mix: float = Field(0.5, ge=0, le=1)
    colours: float = Field(0.25, ge=0, le=1)
    start: int = Field(0, ge=0)


class Stage(_Section):
    """One stage of training: its steps, its learning rates, its frozen parts, and the strength of augmentation."""

    name: str = ""
    steps: int = Field(gt=0)
    rate: float = Field(1e-3, gt=0)
    backbone_rate: float | None = Field(None, gt=0)
    freeze: list[str] = []
    warm_up: int = Field(50, ge=0)
    schedule: Literal["cosine", "poly", "constant"] = "cosine"
    augment: float = Field(1.0, ge=0)


class TrainConfig(_Section):
    """A whole training run."""

    out: Path | None = None
    model: ModelSection = ModelSection()
    data: Annotated[list[DataSection], Field(min_length=1)]
    augment: AugmentSection = AugmentSection()
    loss: LossSection = LossSection()
    adapt: AdaptSection = AdaptSection()
    stages: Annotated[list[Stage], Field(min_length=1)] = [Stage(steps=1000)]
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    weight_decay: float = Field(0.01, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    clip: float = Field(1.0, ge=0)
    average: float = Field(0.997, ge=0, lt=1)
    crop: int = Field(320, ge=32)
    batch: int = Field(8, ge=1)
    accumulate: int = Field(1, ge=1)
    balance: float = Field(0.5, ge=0, le=1)
    precision: Literal["auto", "f32", "bf16", "fp16"] = "auto"
    device: str = "auto"
    threads: int | None = Field(None, ge=1)
    workers: int | None = Field(None, ge=0)
    seed: int = 0
    validate_every: int = Field(200, ge=1)
    validation_pixels: int = Field(8_000_000, ge=10_000)
    checkpoint_every: int = Field(100, ge=1)
    patience: int = Field(0, ge=0)
    tensorboard: bool = False


def with_absolute_paths(config: TrainConfig, base: Path) -> TrainConfig:
    """The same config, with relative paths counted from the folder `base`."""
    model = config.model
    start = {k: base / v for k in ("backbone_weights", "init") if isinstance(v := getattr(model, k), Path)}
    return config.model_copy(
        update={
            "out": None if config.out is None else base / config.out,
            "model": model.model_copy(update=start),
            "data": [d.model_copy(update={"root": base / d.root}) for d in config.data],
        }
    )


def load_settings(path: Path) -> TrainConfig:
    """Read and check a config of `geoseg train`; relative paths in it count from its own folder.

    Raises:
        UsageError: see `config.load_yaml`.
    """
    return with_absolute_paths(load_yaml(path, TrainConfig, "configs/sample_cpu.yaml"), path.resolve().parent)
