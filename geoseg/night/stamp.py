"""Nothing new since the last night: found from file sizes and times alone, before a network or GDAL is loaded.

    options, sheets, models -> question
    files of the run folder -> state
    both are as the last night left them -> its answer

Anything that differs, even by a touch, sends the night through its stages. They look closer, and may still find
nothing to do.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from geoseg.arrays import Json
from geoseg.commit import commit_state, digest, read_json
from geoseg.errors import Busy, PlanError, SheetError
from geoseg.options import READ_TIMEOUT
from geoseg.runfolder.folder import Run
from geoseg.sheets.decoder import sheet_stat
from geoseg.sheets.kinds.addresses import is_remote
from geoseg.sheets.kinds.vrt import combined_stat, is_vrt
from geoseg.sheets.kinds.world_file import world_files

__all__ = ["Question", "keep", "question", "unchanged"]

log = logging.getLogger(__name__)

COMPANIONS = (".json", ".shx", ".dbf", ".prj")
"""What may lie beside a sheet or a model and changes what it means."""


@dataclass(frozen=True)
class Question:
    """What a night is asked for: the hash of its options and of its inputs' sizes and times."""

    key: str


def question(
    sheets: Iterable[Path], others: Iterable[Path], options: Mapping[str, object], patience: float = READ_TIMEOUT
) -> Question:
    """The question of a night; to be asked before it begins.

    Args:
        sheets: as `listing.list_sheets` gives them; servers of remote ones are asked.
        others: models, areas of interest.
        options: whatever changes results, geoseg's version among them.
        patience: seconds that the server of a remote sheet may take.
    """
    parts = [repr(sorted((k, str(v)) for k, v in options.items()))]
    parts += [f"{p}|{_look(p, patience)}" for p in (*sheets, *others)]
    return Question(_hash(parts))


def unchanged(run: Run, asked: Question) -> Json | None:
    """The answer of the last night; None if it was asked something else, or a file of the run was touched since."""
    try:
        stored = read_json(run.stamp_json) if run.stamp_json.exists() else {}
        return dict(stored["answer"]) if stored.get("asked") == asked.key and stored["state"] == _state(run) else None
    except (PlanError, OSError, KeyError, TypeError, AttributeError) as error:
        log.info("%s: %s", run.stamp_json, error)
        return None


def marks(run: Run) -> tuple[str, str]:
    """Hashes of the plan and of the job: who changes blocks changes one of them."""
    return digest(run.plan_json), digest(run.infer_json)


def keep(run: Run, asked: Question, seen: tuple[str, str], answer: Mapping[str, object]) -> None:
    """Store a night's answer; nothing where somebody else has begun to work on the run since `seen` was taken."""
    try:
        with run.lock():
            if marks(run) == seen:
                commit_state(run.stamp_json, {"asked": asked.key, "state": _state(run), "answer": dict(answer)})
    except Busy:
        log.info("%s: somebody else works on it already", run.folder)


def _look(path: Path, patience: float) -> list[tuple[str, int, int, int]]:
    """Sizes and times of a file, of what lies beside it, and of what a virtual raster names.

    A file that cannot be seen is part of the answer too.
    """
    beside = [
        path,
        *(Path(f"{path}{s}") for s in (".msk", "-wal")),
        *(path.with_suffix(s) for s in COMPANIONS if path.name),
        *(world_files(path) if path.suffix else ()),
    ]
    found = []
    for file in beside:
        try:
            facts = os.stat(file)
        except (OSError, ValueError):
            continue
        found.append((file.name, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns))
    if is_vrt(path):
        with suppress(SheetError, OSError):  # as above
            found.append(("sources", *combined_stat(path), 0))
    if is_remote(path):
        with suppress(SheetError):
            found.append(("remote", *sheet_stat(path, patience), 0))
    return found


def _state(run: Run) -> str:
    """Hash of the sizes and times of all files of a run folder, and of where links point, without locks and stamp."""
    lines = []
    for folder, folders, files in os.walk(run.folder):
        folders[:] = sorted(f for f in folders if f != run.locks.name)
        for name in (*files, *folders):
            path = os.path.join(folder, name)
            facts = os.lstat(path)
            if os.path.islink(path):
                lines.append(f"{path}|{os.readlink(path)}")
            elif name in files and name != run.stamp_json.name:
                lines.append(f"{path}|{facts.st_size}|{facts.st_mtime_ns}")
    return _hash(sorted(lines))


def _hash(lines: list[str]) -> str:
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()
