"""The first patch of a foreign graph, in a process apart: what hangs, crashes or takes all memory ends there."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import IO

from geoseg.errors import EnvironmentFault, ModelError
from geoseg.models.files import ModelFile
from geoseg.options import MODEL_TIMEOUT
from geoseg.spawn import child_environment, module_command

__all__ = ["Limits", "Trial", "try_model"]

log = logging.getLogger(__name__)

START = 120.0
"""Seconds that starting the process and importing torch may take on top."""


@dataclass(frozen=True)
class Limits:
    """What a foreign graph may take for its first patch: `seconds`, and bytes of memory (`ram`) besides torch's own."""

    seconds: float = MODEL_TIMEOUT
    ram: int = 4 << 30


@dataclass(frozen=True)
class Trial:
    """What the process apart is asked to do: load this file and score one patch of so many bands and pixels.

    Trials of the same bytes are equal, wherever they lie.
    """

    path: str = field(compare=False)
    kind: str
    sha256: str
    bands: int
    patch: int
    limits: Limits


def try_model(model: ModelFile, limits: Limits) -> None:
    """Load a foreign graph and score its first patch in a process that can write nothing.

    Other kinds of model files hold weights only, and pass. What a graph computes there is not looked at: a wrong shape
    or wrong bands are told where it is used.

    Raises:
        ModelError: it names what it must not, crashes, or takes too long or too much memory.
    """
    if model.kind == "state":
        return
    bands, patch = len(model.card.bands), model.card.patch
    _passed(Trial(str(model.path.absolute()), model.kind, model.sha256, bands, patch, limits))


@lru_cache(maxsize=64)
def _passed(trial: Trial) -> None:
    with tempfile.TemporaryFile() as said:  # a pipe would be read into memory, however much is said
        done = _done(trial, said)
        words = (_last(said).strip().splitlines() or ["no word"])[-1][:200]
    if done.returncode == -signal.SIGALRM:
        raise _too_slow(trial)
    answer = done.stdout.decode(errors="replace").strip().splitlines()
    if done.returncode or not answer:
        ended = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
        raise ModelError(trial.path, f"crashes on its first patch ({ended}: {words})", "export it again")
    found = json.loads(answer[-1])
    if "error" in found:
        raise ModelError(*found["error"])


def _done(trial: Trial, said: IO[bytes]) -> subprocess.CompletedProcess[bytes]:
    """The process, after it has ended."""
    try:
        return subprocess.run(
            module_command("geoseg.models.foreign.trial_process"),
            input=json.dumps(asdict(trial)).encode(),
            stdout=subprocess.PIPE,
            stderr=said,
            env=child_environment(),
            timeout=START + trial.limits.seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise _too_slow(trial) from error
    except OSError as error:
        what = f"does not start: {error}"
        raise EnvironmentFault("the process that tries networks", what, "see ulimit -u") from error


def _last(said: IO[bytes]) -> str:
    """The end of what a process said."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - 4096))
    return said.read().decode(errors="replace")


def _too_slow(trial: Trial) -> ModelError:
    what = f"has not scored its first patch of {trial.patch} px after {trial.limits.seconds:g} s"
    return ModelError(trial.path, what, "if it is only slow, raise --model-timeout")
