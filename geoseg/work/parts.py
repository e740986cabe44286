"""Results of the parts of a mosaic, kept in the run folder until it is done: one that was stopped goes on from them.

part -> was it made before, and are its files unchanged? -> yes: take it; no: make it and keep it
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
from typing import TypeAlias, TypeVar
from zipfile import BadZipFile

import rasterio
import shapely

from geoseg.commit import commit_bytes, digest, sweep
from geoseg.errors import EnvironmentFault, PlanError
from geoseg.runfolder.folder import Run
from geoseg.work.packed import pack, unpack

__all__ = ["KeptParts", "Made", "keep_only", "made_files", "name_of"]

log = logging.getLogger(__name__)

Result = TypeVar("Result")

Made: TypeAlias = tuple[Result, Iterable[Path]]
"""A result, and the files below the run folder that belong to it."""

_UNUSABLE = (PlanError, OSError, ValueError, TypeError, KeyError, BadZipFile, shapely.errors.ShapelyError)


def name_of(key: str) -> str:
    """The name of results that a mosaic with this key may use again; those of other versions might not fit."""
    libraries = [version(n) for n in ("numpy", "shapely", "geopandas", "scipy", "scikit-image", "numba")]
    facts = [key, libraries, shapely.geos_version, rasterio.__gdal_version__]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def made_files(run: Path, files: list[Path]) -> Made[list[str]]:
    """Files of a run as a result: their names in it, and themselves."""
    return [file.relative_to(run).as_posix() for file in files], files


def keep_only(run: Run, name: str = "") -> None:
    """Remove all kept results but those of one name. What cannot be removed now is removed the next time."""
    place = run.parts
    if place.is_symlink():  # its target does not belong to the run
        with suppress(OSError):
            place.unlink()
        return
    for folder in place.glob("*"):
        if folder.name != name or folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # a file or a link; or it is gone already
                folder.unlink()
        else:
            sweep(folder, 0)
    with suppress(OSError):  # it is not empty, or there is none
        place.rmdir()


@dataclass(frozen=True)
class KeptParts:
    """Kept results of one mosaic of a run.

    `name`: see `name_of`; `kinds`: dataclasses that results hold, by name; `check` is called before anything is kept.
    """

    run: Run
    name: str
    kinds: Mapping[str, type]
    check: Callable[[], None] = lambda: None

    @property
    def folder(self) -> Path:
        """Their folder, in which steps also leave files for each other."""
        return self.run.parts / self.name

    def once(self, part: str, make: Callable[[], Made[Result]]) -> Result:
        """The result of a part. It is made unless it was kept and its files are still the same bytes."""
        path = self.folder / f"{part}.part"
        if path.exists():
            try:
                kept: tuple[Result, dict[str, str]] = unpack(path.read_bytes(), self.kinds)
                result, files = kept
                if all(self._is_unchanged(file, sha) for file, sha in files.items()):
                    log.debug("%s was made before", part)
                    return result
            except _UNUSABLE as error:
                log.debug("%s: %s", path, error)
        result, made = make()
        files = {file.relative_to(self.run.folder).as_posix(): digest(file) for file in made}
        self.check()
        try:
            commit_bytes(path, pack((result, files)))
        except EnvironmentFault as error:  # nothing is lost: a later mosaic makes it again
            log.warning("the result of %s could not be kept: %s", part, error)
        return result

    def _is_unchanged(self, file: str, sha: str) -> bool:
        path = self.run.folder / file
        return path.is_file() and digest(path) == sha
