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
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np

from geoseg.arrays import Image, Json
from geoseg.options import READ_TIMEOUT
from geoseg.sheets.readers.memory import HALF, NAME, make_shared
from geoseg.sheets.readers.start import START, last_words, start_fault, widen
from geoseg.sheets.readers.talk import COPIED, FRAME
from geoseg.spawn import child_environment

__all__ = ["DecoderHandle", "ProcessGone", "Refusal"]

GRACE = 5.0
"""Seconds that a killed process may take to end."""
MOST_SAID = 16 << 20
"""Bytes of JSON in one frame."""
SMALLEST = 4 << 20
"""Bytes of pixels in one frame, but for the first and the last: the process cuts at blocks, and aims at 16 MB."""
AT_ONCE = 4096
"""Bytes that a pipe takes at once when it takes any (PIPE_BUF)."""


class ProcessGone(Exception):
    """The process ended, or had to be ended; the message says how."""


class Refusal(Exception):
    """The process answers that something is wrong with the file; `said` is not checked yet."""

    def __init__(self, said: object) -> None:
        super().__init__("the answer is an error")
        self.said = said


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
            raise start_fault(str(error), "see ulimit -u and ulimit -n") from error
        finally:
            if shared is not None:
                shared.release()
        self._shared, self._turn, self._end = shared, 0, time.monotonic()
        widen(self.process)

    @property
    def ours(self) -> bool:
        """Whether this process started it; a fork of it did not."""
        return self.owner == os.getpid()

    def await_ready(self) -> None:
        """Wait until the process says that it is ready.

        Raises:
            EnvironmentFault: it ends before that, or takes too long.
            ProcessGone: `break_off` was called meanwhile.
        """
        usual, self.patience = self.patience, max(self.patience, START)
        try:
            self.receive_json()
        except (ProcessGone, Refusal) as gone:
            if self._broken_off:
                raise  # whoever asked has left, maybe before it had started
            said = last_words(self.command, self._environment) or str(gone)
            raise start_fault(said, "repair the installation") from gone
        finally:
            self.patience = usual

    def send(self, line: bytes) -> None:
        """Send one request.

        Raises:
            ProcessGone: it reads no more, or says something before it is asked.
        """
        if line != COPIED:
            self._turn = 0
            self._refuse_leftovers()
        self._end = time.monotonic() + self.patience
        assert self.process.stdin is not None  # it was started with a pipe
        with self._limit() as late:
            left = memoryview(line)
            while left:
                self._await(self.process.stdin.fileno(), writing=True)
                try:
                    left = left[self.process.stdin.write(left[:AT_ONCE]) or 0 :]
                except OSError as error:
                    raise self._too_late() if late.is_set() else self._gone() from error

    def receive_json(self) -> Json:
        """The next frame, which is a JSON object, but not an error.

        Raises:
            Refusal: the answer is an error.
            ProcessGone: no answer comes, or one that is none.
        """
        kind, size = self._receive_head()
        if kind != b"J":
            raise _nonsense("a frame of another kind than JSON")
        return self._said(size)

    def receive_pixels(self, pixels: Image) -> None:
        """Fill an array (C, H, W) from the next frames.

        Raises:
            Refusal: the answer is an error.
            ProcessGone: no answer comes, or one that is none.
        """
        done, frames = 0, 2 + pixels.nbytes // SMALLEST
        while done < pixels.shape[1]:
            if not frames:  # each may take as long as the patience
                raise _nonsense("pixels in too many small parts")
            done, frames = done + self._receive_rows(pixels[:, done:]), frames - 1

    def _receive_rows(self, rest: Image) -> int:
        """Fill the first rows of an array (C, H, W) from the next frame; returns how many rows that were."""
        kind, size = self._receive_head()
        if kind == b"J":
            self._said(size)
            raise _nonsense("JSON where pixels are due")
        bands, high, width = rest.shape
        rows, more = divmod(size, bands * width * rest.itemsize)
        if kind not in (b"P", b"S") or not 0 < rows <= high or more:
            raise _nonsense(f"a frame of {size} bytes that are no rows of the window")
        part = rest[:, :rows]
        if kind == b"S":
            self._copy_shared(part, size)
            return int(rows)
        whole = part if all(band.flags.c_contiguous for band in part) else np.empty(part.shape, part.dtype)
        for band in whole:
            self._fill(memoryview(band.reshape(-1).view(np.uint8)))
        if whole is not part:
            part[...] = whole
        return int(rows)

    def _said(self, size: int) -> Json:
        """The JSON object of a frame of this size."""
        if not 0 < size <= MOST_SAID:
            raise _nonsense(f"JSON of {size} bytes")
        body = bytearray(size)
        self._fill(memoryview(body))
        try:
            found = json.loads(body)
        except (ValueError, RecursionError, MemoryError) as error:
            raise _nonsense("what is not JSON") from error
        if not isinstance(found, dict):
            raise _nonsense("JSON that is no object")
        if "error" in found:
            raise Refusal(found["error"])
        return found

    def _copy_shared(self, part: Image, size: int) -> None:
        """Copy pixels out of the shared memory, and let the process fill that half again."""
        if self._shared is None or size > HALF:
            raise _nonsense("more pixels than there are")
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
        """Kind and size of the next frame. All of it must come within the patience from now on."""
        self._end = time.monotonic() + self.patience
        head = bytearray(FRAME.size)
        self._fill(memoryview(head))
        kind, size = FRAME.unpack(head)
        return kind, size

    def _fill(self, view: memoryview) -> None:
        """Receive as many bytes as the view holds; kill the process if they do not come in time."""
        if self._closed:
            raise ProcessGone("its process was ended")
        output = self.process.stdout
        assert isinstance(output, io.RawIOBase)  # it was started without buffers
        with self._limit() as late:
            while view:
                self._await(output.fileno())
                size = output.readinto(view)
                if not size:
                    raise self._too_late() if late.is_set() else self._gone()
                view = view[size:]

    @contextmanager
    def _limit(self) -> Iterator[threading.Event]:
        """Kill the process when its time is over; the event tells so."""
        late = threading.Event()

        def end() -> None:
            late.set()
            self.process.kill()

        timer = threading.Timer(max(0.0, self._end - time.monotonic()), end)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _await(self, number: int, *, writing: bool = False) -> None:
        """Wait for a pipe, but not for ever: a process on a dead disk cannot even be killed."""
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(number, select.POLLOUT if writing else select.POLLIN)
            if not poll.poll(1000 * (self.patience + GRACE)):
                raise ProcessGone(f"{self._too_late()}, and its process cannot be ended")

    def _refuse_leftovers(self) -> None:
        """Refuse what the process says before it is asked: it would be taken for the answer."""
        if hasattr(select, "poll") and self.process.stdout is not None:
            poll = select.poll()
            poll.register(self.process.stdout.fileno(), select.POLLIN)
            if any(event & select.POLLIN for _, event in poll.poll(0)):
                raise _nonsense("something that nobody asked for")

    def _too_late(self) -> ProcessGone:
        return ProcessGone(f"it took more than {self.patience:g} s")

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


def _nonsense(what: str) -> ProcessGone:
    """The process has gone wrong, maybe on purpose of the file: nothing more of it is believed."""
    return ProcessGone(f"its process answers with {what}")
