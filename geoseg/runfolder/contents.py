"""Hashes of the sheets' bytes: a file that was only touched, or replaced by the same bytes, makes nothing stale.

A file's stat is looked at first. Its bytes are hashed once, after the sheet was used, and again only when its stat
changed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from geoseg.arrays import Json
from geoseg.commit import commit_state, digest, read_json
from geoseg.errors import PlanError
from geoseg.plan import Plan, Sheet
from geoseg.runfolder.folder import Run
from geoseg.sheets.door import stat_key

__all__ = ["recognise", "remember"]

log = logging.getLogger(__name__)


def _read(path: Path) -> Json:
    """{path of a sheet: its stat and hash}; empty where the file is missing or damaged."""
    try:
        return dict(read_json(path)) if path.exists() else {}
    except (PlanError, TypeError, ValueError) as error:
        log.warning("%s; the sheets are hashed again", error)
        return {}


def remember(run: Run) -> int:
    """Hash the sheets of a run whose hash is not known yet; returns how many were hashed."""
    known = _read(run.contents_json)
    new = [s for s in run.plan.sheets if known.get(s.path, {}).get("stat") != list(s.stat)]
    if not new:
        return 0
    with ThreadPoolExecutor(4) as pool:
        hashes = list(pool.map(_digest, new))
    found = {s.path: {"stat": list(s.stat), "sha256": h} for s, h in zip(new, hashes, strict=True) if h}
    commit_state(run.contents_json, {**known, **found})
    return len(found)


def _digest(sheet: Sheet) -> str:
    """SHA-256 (hex) of a sheet; "" where it changed meanwhile or cannot be read, which the next run finds out."""
    try:
        value = digest(Path(sheet.path))
        return value if stat_key(Path(sheet.path)) == sheet.stat else ""
    except OSError as error:
        log.warning("%s: not hashed: %s", sheet.path, error)
        return ""


def recognise(run: Run, sheets: Iterable[Sheet], earlier: Plan) -> list[Sheet]:
    """The sheets; one that has the bytes of an earlier sheet with another stat is marked as that one (`known_as`)."""
    before, known = {s.path: s for s in earlier.sheets}, _read(run.contents_json)
    return [_recognise(s, before.get(s.path), known.get(s.path)) for s in sheets]


def _recognise(sheet: Sheet, before: Sheet | None, known: Json | None) -> Sheet:
    if before is None:
        return sheet
    if before.stat == sheet.stat:
        return replace(sheet, known_as=before.known_as)
    hashed = known is not None and known.get("stat") == list(before.stat) and sheet.stat[0] == before.stat[0]
    if hashed and known is not None and _digest(sheet) == known["sha256"]:
        log.info("%s was touched, its bytes are the same", sheet.path)
        return replace(sheet, known_as=before.known_as or before.stat)
    return sheet
