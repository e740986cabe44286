"""All records of a run at once, without opening those that have not changed since the last look.

blocks/*.json, one committed record each (the truth) -> size, time and number of each file
-> new ones are read, the others are known from locks/ledger.json (a copy that may be deleted)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from geoseg.arrays import Json
from geoseg.commit import commit_state, read_json
from geoseg.errors import GeosegError, PlanError
from geoseg.geometry.blocks import Block
from geoseg.runfolder.blocks import Record, block_path, read_record, record_from_json

__all__ = ["records_of"]

log = logging.getLogger(__name__)

WORTH_IT = 200
"""Blocks from which on a copy is kept."""

Mark = tuple[int, int, int]
"""Size, time of change and number of a record's file; another file of the same name has another mark."""


def records_of(folder: Path, ledger: Path, blocks: Iterable[Block], *, keep: bool = True) -> dict[Block, Record]:
    """Records of those blocks that are committed, as `read_record` gives each of them.

    Args:
        folder: the run's blocks.
        ledger: the copy.
        blocks: those that are asked for.
        keep: whether to write the copy.
    """
    marks, sizes = _scan(folder)
    known = _read_ledger(ledger)
    found: dict[Block, Record] = {}
    rows = {name: record for name, (mark, record) in known.items() if marks.get(name) == mark}
    for block in blocks:
        name = block_path(folder, block).stem
        mark = marks.get(name)
        if mark is None:
            continue
        record = rows[name] if name in rows else read_record(folder, block)
        if record is not None and sizes.get(name) == record.size:
            found[block] = record
            rows[name] = record
    if keep and len(rows) >= WORTH_IT and rows != {name: record for name, (_, record) in known.items()}:
        _store(ledger, {name: {"mark": list(marks[name]), "record": r.to_json()} for name, r in rows.items()})
    return found


def _scan(folder: Path) -> tuple[dict[str, Mark], dict[str, int]]:
    """Marks of all records and sizes of all rasters, by name."""
    marks: dict[str, Mark] = {}
    sizes: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)
                if stem.startswith(".") or suffix not in (".json", ".tif"):
                    continue
                facts = os.stat(entry.path)  # not `entry.stat()`: it may know no file numbers
                if suffix == ".json":
                    marks[stem] = facts.st_size, facts.st_mtime_ns, facts.st_ino
                else:
                    sizes[stem] = facts.st_size
    except FileNotFoundError:
        log.debug("%s: no blocks yet, or one was removed meanwhile", folder)
    return marks, sizes


def _read_ledger(path: Path) -> dict[str, tuple[Mark, Record]]:
    """Mark and record of each block in the copy; empty where it is damaged, or of another version."""
    try:
        rows = read_json(path)["records"] if path.exists() else {}
        return {name: (_mark(*row["mark"]), record_from_json(row["record"])) for name, row in rows.items()}
    except (PlanError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        log.info("%s: %s", path, error)
        return {}


def _mark(size: int, time: int, number: int) -> Mark:
    return size, time, number


def _store(ledger: Path, rows: Json) -> None:
    """Write the copy. Where that fails, as for a user who may only read, nothing is lost."""
    try:
        commit_state(ledger, {"records": rows})
    except GeosegError as error:
        log.info("%s", error)
