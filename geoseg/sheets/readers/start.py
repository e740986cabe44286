"""What helps to start a decoder process, and what it said where it does not start."""

from __future__ import annotations

import subprocess
from contextlib import suppress

from geoseg.errors import EnvironmentFault

__all__ = ["START", "last_words", "start_fault", "widen"]

START = 120.0
"""Seconds that starting the process may take: Python and GDAL may come over a network."""


def start_fault(what: str, cure: str) -> EnvironmentFault:
    """The error of a decoder that does not start."""
    return EnvironmentFault("the decoder of sheets", f"does not start: {what}", cure)


def widen(process: subprocess.Popen[bytes]) -> None:
    """A wider pipe for pixels, where the system has room for it."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        assert process.stdout is not None  # it was started with a pipe
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)


def last_words(command: tuple[str, ...], environment: dict[str, str]) -> str:
    """The last line that the command prints before it ends at once; "" for none."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, input=b"", capture_output=True, env=environment, timeout=START)
        return (done.stderr.decode(errors="replace").strip().splitlines() or [""])[-1]
    return ""
