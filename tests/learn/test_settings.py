"""The configs of `geoseg train` that ship."""

from __future__ import annotations

import pytest
import yaml
from support import CONFIGS

from geoseg.learn.settings import TrainConfig


@pytest.mark.parametrize("name", sorted(p.name for p in CONFIGS.glob("*.yaml") if p.name != "nightly.yaml"))
def test_every_config_is_valid(name: str) -> None:
    TrainConfig.model_validate(yaml.safe_load((CONFIGS / name).read_text()))
