"""Sheets are decoded in a process of their own: one that crashes GDAL, takes all memory or never ends costs that sheet, not the night.

The process is started at the first sheet and serves everything in this process that reads sheets. Where it dies, or is silent for too long, a
fresh one tries the same once more, so that a sheet is not blamed for what befell the machine.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from geoseg.errors import EnvironmentFault, SheetError
from geoseg.options import READ_TIMEOUT
from geoseg.plan import Header
from geoseg.sheets.decoder_process import FRAME

__all__ = ["Decoder", "PixelRequest", "decoder"]

log = logging.getLogger(__name__)

TRIES = 2
START = 120.0
"""Seconds that starting the process may take: Python and GDAL may come over a network."""
GRACE = 5.0

Got = TypeVar("Got")


class _Ended(Exception):
    """The process is gone; says how."""


@dataclass(frozen=True)
class PixelRequest:
    """A window of a sheet that somebody wants decoded.

    `stat`: its stat key, another one opens it anew; `bands`: 1-based, none for the file's own mask; `rows`, `cols`: of the file;
    `cache`: bytes for GDAL's block cache; `holes`: whether blocks that are not in the file may be read as 0;
    `patience`: seconds without a sign of life (16 MB of pixels) after which the process is ended.
    """

    path: Path
    stat: tuple[int, int]
    bands: tuple[int, ...]
    rows: slice
    cols: slice
    cache: int = 64 << 20
    holes: bool = False
    patience: float = READ_TIMEOUT


class Decoder:
    """One process that decodes sheets; `command` starts it. May be used from many threads, one request goes at a time."""

    def __init__(self, command: tuple[str, ...] | None = None) -> None:
        self.command = command or (sys.executable, "-P", "-m", "geoseg.sheets.decoder_process")
        self._patience = READ_TIMEOUT  # of the request that is being answered
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._given_up = False
        self._for: object = None

    def header(self, path: Path, *, palette: bool = False, patience: float = READ_TIMEOUT) -> Header:
        """As `sheets.read_header`.

        Raises:
            SheetError: cannot be opened, or opening it crashes or never ends.
        """

        def receive() -> Header:
            found = self._json()
            for name in ("transform", "meanings", "block", "mask_stat"):
                found[name] = found[name] and tuple(found[name])
            return Header(**found)

        return self._ask(path, {"do": "header", "palette": palette}, receive, patience)

    def read(self, wanted: PixelRequest, who: object = None) -> npt.NDArray[Any]:
        """Pixels (C, H, W) of a window; of the file's own mask (1, H, W) where no bands are named.

        Args:
            wanted: which pixels.
            who: asks for them; see `give_up`.

        Raises:
            SheetError: damaged, or decoding it crashes, takes too much memory or never ends.
        """
        rows, cols = wanted.rows, wanted.cols
        shape = (len(wanted.bands) or 1, rows.stop - rows.start, cols.stop - cols.start)

        def receive() -> npt.NDArray[Any]:
            pixels = np.empty(shape, self._json()["dtype"])
            done = 0
            while done < shape[1]:
                done += self._pixels(pixels[:, done:])
            return pixels

        request = {
            "do": "read",
            "stat": list(wanted.stat),
            "bands": list(wanted.bands),
            "window": [rows.start, rows.stop, cols.start, cols.stop],
            "cache": wanted.cache,
            "holes": wanted.holes,
        }
        return self._ask(wanted.path, request, receive, wanted.patience, who)

    def forget(self) -> None:
        """Close the files that the process holds open."""
        if self._process is not None and self._owner == os.getpid():
            self._ask(Path(), {"do": "forget"}, self._json, READ_TIMEOUT)

    def give_up(self, who: object) -> None:
        """End the request of somebody who is leaving, and whose other thread waits for the answer; nobody else's."""
        if self._for is who:
            self._given_up = True
            self._kill()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        with suppress(subprocess.TimeoutExpired):  # it hangs in the kernel: it will end when that does
            process.wait(GRACE)

    def _ask(
        self, path: Path, request: dict[str, Any], receive: Callable[[], Got], patience: float, who: object = None
    ) -> Got:
        line = json.dumps({**request, "path": str(path)}).encode() + b"\n"
        with self._lock:
            self._given_up, self._for, self._patience = False, who, patience
            try:
                for left in reversed(range(TRIES)):
                    try:
                        return self._exchange(line, receive)
                    except _Ended as ended:
                        if not left or self._given_up:
                            cure = "look at it with gdalinfo; copy it again, or leave it out"
                            raise SheetError(path, f"cannot be decoded: {ended}", cure) from ended
                        log.info("%s: %s; trying again", path, ended)
            finally:
                self._for = None
        raise AssertionError("a last try returns or raises")

    def _exchange(self, line: bytes, receive: Callable[[], Got]) -> Got:
        whole = False
        try:
            stdin = self._started().stdin
            assert stdin is not None  # as `_started` opened it
            try:
                stdin.write(line)
            except OSError as error:
                raise self._ended() from error
            got = receive()
            whole = True
            return got
        except SheetError:
            whole = True  # an answer like any other
            raise
        finally:
            if not whole:
                self.close()  # what it would still send is the answer to nothing

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._owner == os.getpid():
            return self._process
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, "PYTHONPATH": path}
        self._owner = os.getpid()
        try:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env=environment,
            )
        except OSError as error:
            raise EnvironmentFault(
                "the decoder of sheets", f"does not start: {error}", "see ulimit -u and ulimit -n"
            ) from error
        _widen(self._process)
        usual, self._patience = self._patience, max(self._patience, START)
        try:
            self._json()
        except _Ended as error:
            said = _last_words(self.command, environment) or str(error)
            raise EnvironmentFault(
                "the decoder of sheets", f"does not start: {said}", "repair the installation"
            ) from error
        finally:
            self._patience = usual
        return self._process

    def _json(self) -> dict[str, Any]:
        """The next frame, which is JSON."""
        kind, size = self._frame()
        assert kind == b"J", kind
        body = bytearray(size)
        self._fill(memoryview(body))
        found: dict[str, Any] = json.loads(body)
        if "error" in found:
            raise SheetError(*found["error"])
        return found

    def _pixels(self, rest: npt.NDArray[Any]) -> int:
        """Fill the first rows of (C, H, W) from the next frame; how many those are.

        Raises:
            SheetError: the frame is an error.
        """
        kind, size = self._frame()
        if kind == b"J":
            body = bytearray(size)
            self._fill(memoryview(body))
            raise SheetError(*json.loads(body)["error"])
        bands, _, width = rest.shape
        rows = int(size // (bands * width * rest.itemsize))
        for band in rest[:, :rows]:
            self._fill(memoryview(band.reshape(-1).view(np.uint8)))
        return rows

    def _frame(self) -> tuple[bytes, int]:
        head = bytearray(FRAME.size)
        self._fill(memoryview(head))
        kind, size = FRAME.unpack(head)
        return kind, size

    def _fill(self, view: memoryview) -> None:
        """Receive so many bytes, each part of them within the patience."""
        process = self._process
        if process is None or process.stdout is None:
            raise _Ended("its process was ended")
        late = threading.Event()

        def end() -> None:
            late.set()
            self._kill()

        timer = threading.Timer(self._patience, end)
        timer.daemon = True
        timer.start()
        try:
            while view:
                self._await(process)
                got = process.stdout.readinto(view)  # type: ignore[attr-defined]
                if not got:
                    raise _Ended(f"it took more than {self._patience:g} s") if late.is_set() else self._ended()
                view = view[got:]
        finally:
            timer.cancel()

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        """Until something can be read; not for ever where not even killing helps (a dead disk, a hung mount)."""
        if hasattr(select, "poll") and process.stdout is not None:
            poll = select.poll()
            poll.register(process.stdout, select.POLLIN | select.POLLHUP)
            if not poll.poll(1000 * (self._patience + GRACE)):
                raise _Ended(f"it took more than {self._patience:g} s, and its process cannot be ended")

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()

    def _ended(self) -> _Ended:
        """How the process ended."""
        process = self._process
        if self._given_up or process is None:
            return _Ended("reading was broken off")
        try:
            code = process.wait(5)
        except subprocess.TimeoutExpired:
            return _Ended("its process does not answer")
        name = signal.Signals(-code).name if -code in {s.value for s in signal.Signals} else f"exit code {code}"
        return _Ended(f"decoding it ended the process with {name}" + (" (out of memory?)" if name == "SIGKILL" else ""))


def _widen(process: subprocess.Popen[bytes]) -> None:
    """A wider pipe for pixels, where the system has room for it."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        assert process.stdout is not None  # as it was asked for
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)


def _last_words(command: tuple[str, ...], environment: dict[str, str]) -> str:
    """What the command says before it ends at once; "" for nothing."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, input=b"", capture_output=True, env=environment, timeout=START)
        return (done.stderr.decode(errors="replace").strip().splitlines() or [""])[-1]
    return ""


@lru_cache(maxsize=1)
def decoder() -> Decoder:
    """The one of this process."""
    made = Decoder()
    atexit.register(made.close)
    return made
