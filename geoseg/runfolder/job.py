"""The job of a run, which with its sheets decides all pixels, and the key of each block that follows from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import metadata

import numpy as np

from geoseg.arrays import Json
from geoseg.geometry.lattice import Lattice
from geoseg.models.facts import EngineFacts, Normalise

__all__ = ["Job", "job_from_json", "version"]


@lru_cache(maxsize=1)
def version() -> str:
    """The version of geoseg. Results of any other version are stale."""
    return metadata.version("geoseg")


@dataclass(frozen=True)
class Job:
    """Everything that decides the pixels of a run besides its sheets.

    `models`: (path, key) of each network. `bands`: 1-based band numbers by the path of each sheet.
    """

    lattice: Lattice
    facts: EngineFacts
    models: tuple[tuple[str, str], ...]
    bands: dict[str, tuple[int, ...]]
    normalise: Normalise
    probabilities: bool

    @cached_property
    def key(self) -> str:
        """Hash of everything but the bands of each sheet."""
        parts = [
            version(),
            self.lattice.to_json(),
            self.facts.to_json(),
            [key for _, key in self.models],
            self.normalise.mean.tolist(),
            self.normalise.std.tolist(),
            self.probabilities,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def job_from_json(value: Json) -> Job:
    """The job that infer.json holds."""
    return Job(
        lattice=Lattice(**value["lattice"]),
        facts=EngineFacts(**value["engine"]),
        models=tuple((m["path"], m["key"]) for m in value["models"]),
        bands={p: tuple(b) for p, b in value["bands"].items()},
        normalise=Normalise(np.array(value["mean"], np.float32), np.array(value["std"], np.float32)),
        probabilities=bool(value["probabilities"]),
    )
