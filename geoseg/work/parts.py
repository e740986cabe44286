"""What the parts of a mosaic have made stays in the run folder until the mosaic is done: one that was stopped goes on where it was.

part -> made before, and its files are as they were left? -> that : make it, keep it
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import rasterio
import shapely

from geoseg.commit import commit_bytes, digest, sweep
from geoseg.errors import EnvironmentFault, PlanError
from geoseg.runfolder.folder import Run
from geoseg.work.packed import packed, unpacked

__all__ = ["KeptParts", "Made", "keep_only", "made_files", "name_of"]

log = logging.getLogger(__name__)

Made = tuple[Any, Iterable[Path]]
"""A result, and the files below the run folder that it stands for."""

_UNUSABLE = (PlanError, OSError, ValueError, TypeError, KeyError, BadZipFile, shapely.errors.ShapelyError)


def name_of(key: str) -> str:
    """Name of what may be used again by a mosaic with this key: pieces that other libraries have made might not fit."""
    libraries = [version(n) for n in ("numpy", "shapely", "geopandas", "scipy", "scikit-image", "numba")]
    facts = [key, libraries, shapely.geos_version, rasterio.__gdal_version__]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def made_files(run: Path, files: list[Path]) -> Made:
    """Files of a run as a result: their names in it."""
    return [file.relative_to(run).as_posix() for file in files], files


def keep_only(run: Run, name: str = "") -> None:
    """Remove all that was kept but what bears a name; what cannot go now goes the next time."""
    place = run.parts
    if place.is_symlink():  # what it leads to is none of ours
        with suppress(OSError):
            place.unlink()
        return
    for folder in place.glob("*"):
        if folder.name != name or folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # a file, a link; or it is gone
                folder.unlink()
        else:
            sweep(folder)
    with suppress(OSError):  # it is not empty, or there is none
        place.rmdir()


@dataclass(frozen=True)
class KeptParts:
    """What the parts of one mosaic of a run have made.

    `name`: see `name_of`; `kinds`: dataclasses that results hold, by name; `check` comes before anything is kept.
    """

    run: Run
    name: str
    kinds: Mapping[str, type]
    check: Callable[[], None] = lambda: None

    @property
    def folder(self) -> Path:
        """Where they are; what steps leave for each other lies there too."""
        return self.run.parts / self.name

    def once(self, part: str, make: Callable[[], Made]) -> Any:
        """The result of a part; made unless it was kept, and the files that it stands for are still the same bytes."""
        path = self.folder / f"{part}.part"
        if path.exists():
            try:
                result, files = unpacked(path.read_bytes(), self.kinds)
                if all(
                    (self.run.folder / file).is_file() and digest(self.run.folder / file) == sha
                    for file, sha in files.items()
                ):
                    log.debug("%s was made before", part)
                    return result
            except _UNUSABLE as error:
                log.debug("%s: %s", path, error)
        result, made = make()
        files = {file.relative_to(self.run.folder).as_posix(): digest(file) for file in made}
        self.check()
        try:
            commit_bytes(path, packed((result, files)))
        except EnvironmentFault as error:  # the result is there: it would only have to be made again
            log.warning("what %s has made could not be kept: %s", part, error)
        return result
