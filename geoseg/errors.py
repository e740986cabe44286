"""Every error that geoseg raises on purpose.

    GeosegError
    ├── UsageError          bad option or config; nothing was touched           (exit 2)
    ├── SheetError          one input file cannot be used; mostly quarantined    (exit 1 where it ends a command)
    │   ├── SheetChanged    it was written again since it was planned            (exit 1)
    │   └── SheetAway       its server does not answer now                       (exit 1)
    ├── PlanError           a run folder is not what a stage expects             (exit 1)
    ├── TrainingError       training cannot go on                                (exit 1)
    ├── ModelError          a model file is refused                              (exit 5)
    │   └── NeverEnds       a network does not come back; its thread stays       (exit 5)
    ├── EnvironmentFault    disk full, device missing, folder not writable       (exit 4)
    │   └── OpenElsewhere   another program has a file open that is to be replaced
    └── Busy                locked, or not complete yet: try again later         (exit 75)

A message names the file or option, and says what was found, what was expected and what helps.
"""

from __future__ import annotations

__all__ = [
    "Busy",
    "EnvironmentFault",
    "GeosegError",
    "ModelError",
    "NeverEnds",
    "OpenElsewhere",
    "PlanError",
    "SheetAway",
    "SheetChanged",
    "SheetError",
    "TrainingError",
    "UsageError",
    "exit_code_of",
]


class GeosegError(Exception):
    """Root of all errors that geoseg raises on purpose.

    Args:
        subject: the file, option or key that the message is about.
        what: what was found, and what was expected.
        cure: what the user can do about it, "" where nothing helps.
    """

    exit_code = 1

    def __init__(self, subject: object, what: str, cure: str = "") -> None:
        self.subject, self.what, self.cure = str(subject), what, cure
        super().__init__(f"{self.subject}: {what}" + (f" ({cure})" if cure else ""))

    def __reduce__(self) -> tuple[type[GeosegError], tuple[str, str, str]]:
        return type(self), (self.subject, self.what, self.cure)


class UsageError(GeosegError):
    """A bad option or config; nothing was touched."""

    exit_code = 2


class SheetError(GeosegError):
    """One input file cannot be used; stages put it in quarantine and go on."""


class SheetChanged(SheetError):
    """A file was written again since it was planned, or while it was read; stages plan it anew once."""


class SheetAway(SheetError):
    """A remote sheet whose server does not answer now; the next `tile` tries it again."""


class PlanError(GeosegError):
    """A run folder is not what a stage expects."""


class TrainingError(GeosegError):
    """Training cannot go on; `batch` holds what it was given last, where that helps."""

    batch: tuple[object, ...] | None = None


class ModelError(GeosegError):
    """A model file is refused."""

    exit_code = 5


class NeverEnds(ModelError):
    """A network does not come back from a patch. Nothing can stop its thread: only the end of the process does."""


class EnvironmentFault(GeosegError):
    """Disk full, device missing, folder not writable."""

    exit_code = 4


class OpenElsewhere(EnvironmentFault):
    """Another program has a file open that geoseg is about to replace."""


class Busy(GeosegError):
    """Locked, or not complete yet: run the same command again later."""

    exit_code = 75


def exit_code_of(error: BaseException) -> int:
    """The exit code of a command that this error ends."""
    if isinstance(error, GeosegError):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, KeyboardInterrupt):
        return 130
    return 4 if isinstance(error, (OSError, MemoryError)) else 1
