"""What the bytes of sheets were: a file that was only touched, or copied over with the same bytes, makes nothing stale.

Stat decides first; bytes are hashed once after a sheet was used, and again only where its stat has changed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from geoseg.commit import commit_state, digest, read_json
from geoseg.errors import PlanError
from geoseg.plan import Plan, Sheet
from geoseg.runfolder.folder import Run
from geoseg.sheets.door import stat_key

__all__ = ["recognised", "remember"]

log = logging.getLogger(__name__)


def _stored(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path)) if path.exists() else {}
    except (PlanError, TypeError, ValueError) as error:
        log.warning("%s; the sheets are hashed again", error)
        return {}


def remember(run: Run) -> int:
    """Hash the sheets of a run whose bytes are not known yet; returns how many."""
    known = _stored(run.contents_json)
    new = [s for s in run.plan.sheets if known.get(s.path, {}).get("stat") != list(s.stat)]
    if not new:
        return 0
    with ThreadPoolExecutor(4) as pool:
        hashes = list(pool.map(_digest, new))
    found = {s.path: {"stat": list(s.stat), "sha256": h} for s, h in zip(new, hashes, strict=True) if h}
    commit_state(run.contents_json, {**known, **found})
    return len(found)


def _digest(sheet: Sheet) -> str:
    """SHA-256 of a sheet; "" where it changed meanwhile or cannot be read: the next run will see to it."""
    try:
        value = digest(Path(sheet.path))
        return value if stat_key(Path(sheet.path)) == sheet.stat else ""
    except OSError as error:
        log.warning("%s: not hashed: %s", sheet.path, error)
        return ""


def recognised(run: Run, sheets: Iterable[Sheet], earlier: Plan) -> list[Sheet]:
    """The sheets, those with the bytes that the earlier plan knew under another stat marked so."""
    before, known = {s.path: s for s in earlier.sheets}, _stored(run.contents_json)
    return [_recognised(s, before.get(s.path), known.get(s.path)) for s in sheets]


def _recognised(sheet: Sheet, before: Sheet | None, known: dict[str, Any] | None) -> Sheet:
    if before is None:
        return sheet
    if before.stat == sheet.stat:
        return replace(sheet, known_as=before.known_as)
    hashed = known is not None and known.get("stat") == list(before.stat) and sheet.stat[0] == before.stat[0]
    if hashed and known is not None and _digest(sheet) == known["sha256"]:
        log.info("%s was touched, its bytes are the same", sheet.path)
        return replace(sheet, known_as=before.known_as or before.stat)
    return sheet
