"""Hashes of the sheets' bytes: a file that was only touched, moved, or replaced by the same bytes makes nothing stale.

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
from geoseg.sheets.kinds.addresses import is_remote

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
    if sheet.header.virtual or is_remote(sheet.path):  # its bytes are those of other files, or too far away
        return ""
    try:
        value = digest(Path(sheet.path))
        return value if stat_key(Path(sheet.path)) == sheet.stat else ""
    except OSError as error:
        log.warning("%s: not hashed: %s", sheet.path, error)
        return ""


def recognise(run: Run, sheets: Iterable[Sheet], earlier: Plan) -> list[Sheet]:
    """The sheets; one that has the bytes of an earlier sheet is marked as that one, and keeps its rank in the plan.

    Where sheets overlap, their order decides: a folder of another name must not change it.
    """
    before, known = {s.path: s for s in earlier.sheets}, _read(run.contents_json)
    sheets = list(sheets)
    here = {s.path for s in sheets}
    gone = [s for s in earlier.sheets if s.path not in here and known.get(s.path, {}).get("stat") == list(s.stat)]
    found: list[Sheet] = []
    for sheet in sheets:
        old = before.get(sheet.path) or _moved(sheet, gone, known)
        if sheet.path not in before and old is not None:
            gone.remove(old)
            sheet = replace(sheet, known_as=old.known_as or old.stat, known_path=old.known_path or old.path)
        elif old is not None:
            sheet = _recognise(sheet, old, known.get(sheet.path))
        found.append(sheet)
    return _ranked(found, earlier) if any(s.known_path for s in found) else found


def _moved(sheet: Sheet, gone: list[Sheet], known: Json) -> Sheet | None:
    """The sheet that is no longer at its path and has the bytes of this one; None where there is none."""
    alike = [s for s in gone if s.stat[0] == sheet.stat[0] and s.window == sheet.window and s.mode == sheet.mode]
    value = _digest(sheet) if alike else ""
    return next((s for s in alike if value and known[s.path]["sha256"] == value), None)


def _ranked(sheets: list[Sheet], earlier: Plan) -> list[Sheet]:
    """The sheets with those that the earlier plan had in its order; new ones stay where they are."""
    rank = {_name(s): i for i, s in enumerate(earlier.sheets)}
    old = iter(sorted((s for s in sheets if _name(s) in rank), key=lambda s: rank[_name(s)]))
    return [next(old) if _name(s) in rank else s for s in sheets]


def _name(sheet: Sheet) -> str:
    """The path under which a sheet was first seen."""
    return sheet.known_path or sheet.path


def _recognise(sheet: Sheet, before: Sheet, known: Json | None) -> Sheet:
    """A sheet at the path of an earlier one, marked as that where it has its bytes."""
    if before.stat == sheet.stat:
        return replace(sheet, known_as=before.known_as, known_path=before.known_path)
    hashed = known is not None and known.get("stat") == list(before.stat) and sheet.stat[0] == before.stat[0]
    if hashed and known is not None and _digest(sheet) == known["sha256"]:
        log.info("%s was touched, its bytes are the same", sheet.path)
        return replace(sheet, known_as=before.known_as or before.stat, known_path=before.known_path)
    return sheet
