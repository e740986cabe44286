"""What the parts of a mosaic have made stays in the run folder until the mosaic is done: one that was killed goes on where it was.

part -> made before, and its files are as they were left? -> that : make it, keep it
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseg.errors import PlanError
from geoseg.gis.geopackage import Layer
from geoseg.io.commit import commit_bytes, digest
from geoseg.io.packed import packed, unpacked
from geoseg.stages.vector_layers import Found
from geoseg.vectorize.dice import Frame

__all__ = ["PARTS", "KeptParts", "Made", "made_files"]

log = logging.getLogger(__name__)

PARTS = "parts"
"""Folder of the run."""

Made = tuple[Any, Iterable[Path]]
"""A result, and the files below the run folder that it stands for."""

KINDS = {kind.__name__: kind for kind in (Found, Frame, Layer)}
"""What results are made of."""


def made_files(run: Path, files: list[Path]) -> Made:
    """Files of a run as a result: their names in it."""
    return [file.relative_to(run).as_posix() for file in files], files


@dataclass(frozen=True)
class KeptParts:
    """Of one mosaic (its key) of a run; `check` comes before anything is kept."""

    run: Path
    key: str
    check: Callable[[], None] = lambda: None

    @property
    def folder(self) -> Path:
        """Where they are; what steps leave for each other lies there too."""
        return self.run / PARTS / self.key[:16]

    def once(self, name: str, make: Callable[[], Made]) -> Any:
        """The result of a part; made unless it was kept, and the files that it stands for are still the same bytes."""
        path = self.folder / f"{name}.part"
        if path.exists():
            try:
                result, files = unpacked(path.read_bytes(), KINDS)
                if all((self.run / file).is_file() and digest(self.run / file) == sha for file, sha in files.items()):
                    log.debug("%s was made before", name)
                    return result
            except (PlanError, OSError) as error:
                log.debug("%s: %s", path, error)
        result, made = make()
        files = {file.relative_to(self.run).as_posix(): digest(file) for file in made}
        self.check()
        commit_bytes(path, packed((result, files)))
        return result
