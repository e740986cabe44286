"""GeoPackages as mosaics have made them: only by them can edits in place be told from what geoseg wrote.

A hash of each polygon would tell that a building is gone, but not where it stood. So the whole file is kept, packed;
those of the last maps, so that copies of them that people are still at work on can be compared. Its name says which
file it is the original of. The run ids of all maps are kept as a list.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geoseg.commit import commit_file, commit_json, digest, folder, read_json, scratch, sweep
from geoseg.errors import PlanError
from geoseg.runfolder.folder import Run

__all__ = ["forget_originals", "keep_original", "known_files", "known_runs", "original_of"]

END = ".gpkg.gz"
LEVEL = 1
MAPS = 3
"""Of how many maps originals are kept."""


def keep_original(run: Run, run_id: str, package: Path) -> None:
    """Keep a copy of a GeoPackage that is about to get its name; the same file is kept once.

    Raises:
        EnvironmentFault: the disk is full, or refuses it.
    """
    path = folder(run.originals) / f"{run_id}.{digest(package)}{END}"
    if run_id not in (known := _listed(run)):
        commit_json(run.run_ids_json, [*known, run_id])
    if path.is_file():
        path.touch()  # the latest is told by its time
        return
    commit_file(path, lambda temporary: _pack(package, temporary), lambda temporary: None)


def _pack(package: Path, packed: Path) -> None:
    with (
        package.open("rb") as source,
        packed.open("wb") as target,
        gzip.GzipFile("", "wb", LEVEL, target, mtime=0) as stream,
    ):
        shutil.copyfileobj(source, stream, 1 << 20)


def _kept(run: Run) -> list[tuple[str, str, Path]]:
    """(run id, SHA-256, packed file) of all originals, the latest last."""
    found = sorted(run.originals.glob(f"[!.]*{END}"), key=lambda p: (p.stat().st_mtime_ns, p.name))
    return [(*p.name.removesuffix(END).partition(".")[::2], p) for p in found]


def known_files(run: Run) -> set[str]:
    """SHA-256 of the GeoPackages that are still what a mosaic has made."""
    return {sha for _, sha, _ in _kept(run)}


def known_runs(run: Run) -> list[str]:
    """Run ids of all maps that were made here, the latest first; those with an original before all others."""
    return list(dict.fromkeys([*(name for name, _, _ in reversed(_kept(run))), *reversed(_listed(run))]))


def _listed(run: Run) -> list[str]:
    try:
        return [str(name) for name in read_json(run.run_ids_json)]
    except (PlanError, TypeError):
        return []


@contextmanager
def original_of(run: Run, run_id: str) -> Iterator[Path | None]:
    """The GeoPackage of a run id as it was made, unpacked and gone again afterwards; None where none is kept."""
    path = next((p for name, _, p in reversed(_kept(run)) if name == run_id), None)
    if path is None:
        yield None
        return
    with scratch(run.originals / "original.gpkg", ".gpkg") as temporary:
        with gzip.open(path, "rb") as source, temporary.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        yield temporary


def forget_originals(run: Run) -> None:
    """Remove originals, once a mosaic is finished: all but the latest one of each of the last maps."""
    spared: list[str] = []
    for name, _, path in reversed(_kept(run)):
        if name in spared or len(spared) == MAPS:
            path.unlink(missing_ok=True)
        else:
            spared.append(name)
    if run.originals.is_dir():
        sweep(run.originals, 0)
