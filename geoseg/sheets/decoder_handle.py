"""The process side of the decoder: start it, send it a line, receive frames within a time, end it.

The frames are those of `geoseg.sheets.readers.talk`.
"""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import threading
from contextlib import suppress

import numpy as np

from geoseg.arrays import Image, Json
from geoseg.errors import EnvironmentFault, SheetAway, SheetChanged, SheetError
from geoseg.options import READ_TIMEOUT
from geoseg.sheets.readers.memory import HALF, NAME, make_shared
from geoseg.sheets.readers.talk import COPIED, FRAME
from geoseg.spawn import child_environment

__all__ = ["DecoderHandle", "ProcessGone"]

START = 120.0
"""Seconds that starting the process may take: Python and GDAL may come over a network."""
GRACE = 5.0
"""Seconds that a killed process may take to end."""


class ProcessGone(Exception):
    """The process ended, or had to be ended; the message says how."""


class DecoderHandle:
    """One decoder process. Use it from one thread; others may `break_off` what it does.

    `patience`: seconds that each part of an answer (16 MB of pixels) may take; then the process is killed.

    Raises:
        EnvironmentFault: the command cannot be started.
    """

    def __init__(self, command: tuple[str, ...]) -> None:
        self.command, self.patience, self.owner = command, READ_TIMEOUT, os.getpid()
        self._broken_off = self._closed = False
        self._environment = child_environment()
        shared = make_shared()
        named = {} if shared is None else {NAME: str(shared.number)}
        try:
            self.process = subprocess.Popen(
                command,
                pass_fds=() if shared is None else (shared.number,),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={**self._environment, **named},
            )
        except OSError as error:
            raise _start_fault(str(error), "see ulimit -u and ulimit -n") from error
        finally:
            if shared is not None:
                shared.release()
        self._shared, self._turn = shared, 0
        _widen(self.process)

    @property
    def ours(self) -> bool:
        """Whether this process started it; a fork of it did not."""
        return self.owner == os.getpid()

    def await_ready(self) -> None:
        """Wait until the process says that it is ready.

        Raises:
            EnvironmentFault: it ends before that, or takes too long.
        """
        usual, self.patience = self.patience, max(self.patience, START)
        try:
            self.receive_json()
        except ProcessGone as gone:
            said = _last_words(self.command, self._environment) or str(gone)
            raise _start_fault(said, "repair the installation") from gone
        finally:
            self.patience = usual

    def send(self, line: bytes) -> None:
        """Send one request.

        Raises:
            ProcessGone: it reads no more.
        """
        assert self.process.stdin is not None  # it was started with a pipe
        if line != COPIED:
            self._turn = 0
        try:
            self.process.stdin.write(line)
        except OSError as error:
            raise self._gone() from error

    def receive_json(self) -> Json:
        """The next frame, which is JSON.

        Raises:
            SheetError: the answer is an error.
            ProcessGone: no answer comes.
        """
        kind, size = self._receive_head()
        assert kind == b"J", kind
        body = bytearray(size)
        self._fill(memoryview(body))
        found: Json = json.loads(body)
        if "error" in found:
            raise _error(*found["error"])
        return found

    def receive_pixels(self, rest: Image) -> int:
        """Fill the first rows of an array (C, H, W) from the next frame; returns how many rows that were.

        Raises:
            SheetError: the answer is an error.
            ProcessGone: no answer comes.
        """
        kind, size = self._receive_head()
        if kind == b"J":
            body = bytearray(size)
            self._fill(memoryview(body))
            raise _error(*json.loads(body)["error"])
        bands, _, width = rest.shape
        rows = int(size // (bands * width * rest.itemsize))
        part = rest[:, :rows]
        if kind == b"S":
            self._copy_shared(part, size)
            return rows
        whole = part if all(band.flags.c_contiguous for band in part) else np.empty(part.shape, part.dtype)
        for band in whole:
            self._fill(memoryview(band.reshape(-1).view(np.uint8)))
        if whole is not part:
            part[...] = whole
        return rows

    def _copy_shared(self, part: Image, size: int) -> None:
        """Copy pixels out of the shared memory, and let the process fill that half again.

        Raises:
            ProcessGone: the process names more than there is; so it has gone wrong.
        """
        if self._shared is None or not 0 < size == part.nbytes <= HALF:
            raise ProcessGone("its process gives more pixels than there are")
        part[...] = self._shared.room(self._turn, part.dtype, part.shape)
        self._turn += 1
        self.send(COPIED)

    def break_off(self) -> None:
        """Kill the process, whatever it is doing."""
        self._broken_off = True
        self.process.kill()

    def close(self) -> None:
        """Kill the process and close its pipes."""
        self._closed = True
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        if self._shared is not None:
            self._shared.close()
        with suppress(subprocess.TimeoutExpired):  # it hangs in the kernel, and ends when that lets it go
            self.process.wait(GRACE)

    def _receive_head(self) -> tuple[bytes, int]:
        head = bytearray(FRAME.size)
        self._fill(memoryview(head))
        kind, size = FRAME.unpack(head)
        return kind, size

    def _fill(self, view: memoryview) -> None:
        """Receive as many bytes as the view holds; kill the process if that takes longer than the patience."""
        if self._closed:
            raise ProcessGone("its process was ended")
        output = self.process.stdout
        assert isinstance(output, io.RawIOBase)  # it was started without buffers
        late = threading.Event()

        def end() -> None:
            late.set()
            self.process.kill()

        timer = threading.Timer(self.patience, end)
        timer.daemon = True
        timer.start()
        try:
            while view:
                self._await_output(output.fileno())
                size = output.readinto(view)
                if not size:
                    raise ProcessGone(f"it took more than {self.patience:g} s") if late.is_set() else self._gone()
                view = view[size:]
        finally:
            timer.cancel()

    def _await_output(self, number: int) -> None:
        """Wait until there is something to read, but not for ever: a process on a dead disk cannot even be killed."""
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(number, select.POLLIN | select.POLLHUP)
            if not poll.poll(1000 * (self.patience + GRACE)):
                raise ProcessGone(f"it took more than {self.patience:g} s, and its process cannot be ended")

    def _gone(self) -> ProcessGone:
        """How the process ended."""
        if self._broken_off:
            return ProcessGone("reading was broken off")
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return ProcessGone("its process does not answer")
        name = signal.Signals(-code).name if -code in {s.value for s in signal.Signals} else f"exit code {code}"
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return ProcessGone(f"decoding it ended the process with {name}{hint}")


def _error(kind: str, subject: str, what: str, cure: str) -> SheetError:
    """An error as the process names it."""
    return {"SheetChanged": SheetChanged, "SheetAway": SheetAway}.get(kind, SheetError)(subject, what, cure)


def _start_fault(what: str, cure: str) -> EnvironmentFault:
    return EnvironmentFault("the decoder of sheets", f"does not start: {what}", cure)


def _widen(process: subprocess.Popen[bytes]) -> None:
    """A wider pipe for pixels, where the system has room for it."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        assert process.stdout is not None  # it was started with a pipe
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)


def _last_words(command: tuple[str, ...], environment: dict[str, str]) -> str:
    """The last line that the command prints before it ends at once; "" for none."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, input=b"", capture_output=True, env=environment, timeout=START)
        return (done.stderr.decode(errors="replace").strip().splitlines() or [""])[-1]
    return ""
