"""Where a stage is in its work, who hears of it, and how it is shown: a bar for each step, or timed lines."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Moment", "Progress", "Shown", "Steps", "as_part", "bars", "counted", "lines", "unheard"]

TICK = 1.0
"""Seconds between two looks at the clock, where a step does not count what it does."""
RARELY = 2.0
"""Seconds between two lines of one step, at least."""


@dataclass(frozen=True)
class Moment:
    """A place in a work of several steps.

    `step` is the name of the step, and its number `number` of `of`. It has done `done` of `total`; 0 of 0 where it does
    not count. `unit`: what is counted; "px" is shown in Mpx. `doing`: what takes long in a step that does not count.
    """

    step: str
    number: int = 1
    of: int = 1
    done: int = 0
    total: int = 0
    unit: str = ""
    doing: str = ""

    @property
    def title(self) -> str:
        """Number and name of the step: `[3/7] class raster`."""
        return f"[{self.number}/{self.of}] {self.step}"

    @property
    def line(self) -> str:
        """The same, with what takes long: `[2/9] network: compiling for openvino f32`."""
        return f"{self.title}: {self.doing}" if self.doing else self.title


Progress = Callable[[Moment], None]


def unheard(moment: Moment) -> None:
    """Nobody hears of it."""


@dataclass(frozen=True)
class Steps:
    """The steps of a stage in their order, and who hears of them."""

    names: tuple[str, ...]
    hear: Progress = unheard

    def at(self, name: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        """Tell how far a step is."""
        self.hear(Moment(name, self.names.index(name) + 1, len(self.names), done, total, unit))

    def doing(self, name: str, what: str) -> None:
        """Tell what takes long in a step that does not count."""
        self.hear(Moment(name, self.names.index(name) + 1, len(self.names), doing=what))


def as_part(hear: Progress, before: int, of: int) -> Progress:
    """Hears of a stage as of a part of a larger work: `before` steps come before it, `of` are all steps."""
    return lambda moment: hear(replace(moment, number=moment.number + before, of=of))


@dataclass(frozen=True)
class Shown:
    """Shows moments; `rest` ends what is drawn, so that other lines can be written."""

    hear: Progress = unheard
    rest: Callable[[], None] = lambda: None


@dataclass
class _Bar:
    """The bar of the step at work."""

    title: str = ""
    bar: Any = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hear(self, moment: Moment) -> None:
        """Draw the moment; the line of a step that has ended stays."""
        with self.lock:
            if self.bar is None or self.title != moment.title or bool(self.bar.total) != bool(moment.total):
                self._close(kept=self.title != moment.title)
                self.title, self.bar = moment.title, _new_bar(moment)
            self.bar.total = moment.total or None
            if self.bar.desc != moment.line:
                self.bar.set_description_str(moment.line)
            self.bar.update(moment.done - self.bar.n)

    def rest(self) -> None:
        """End the bar."""
        with self.lock:
            self._close()

    def tick(self, ended: threading.Event) -> None:
        """Let its clock go on until `ended`."""
        while not ended.wait(TICK):
            with self.lock:
                if self.bar is not None:
                    self.bar.refresh()

    def _close(self, *, kept: bool = True) -> None:
        if self.bar is not None:
            self.bar.leave = kept
            self.bar.close()
        self.bar = None


def _new_bar(moment: Moment) -> Any:
    from tqdm.auto import tqdm

    counted = (
        "{desc} {percentage:3.0f} % |{bar:20}| {n_fmt} of {total_fmt}{unit}, {rate_fmt}, {elapsed}, {remaining} left"
    )
    return tqdm(
        total=moment.total or None,
        desc=moment.line,
        unit=moment.unit if moment.unit == "px" else f" {moment.unit}",
        unit_scale=moment.unit == "px",
        bar_format=counted if moment.total else "{desc}  {elapsed}",
        dynamic_ncols=True,
    )


@contextmanager
def bars() -> Iterator[Shown]:
    """A bar for each step with its rate and the time left, on a terminal or in a notebook."""
    bar, ended = _Bar(), threading.Event()
    clock = threading.Thread(target=bar.tick, args=(ended,), daemon=True)
    clock.start()
    try:
        yield Shown(bar.hear, bar.rest)
    finally:
        ended.set()
        clock.join()
        bar.rest()


@contextmanager
def lines(say: Callable[[str], None] = lambda text: print(text, file=sys.stderr)) -> Iterator[Shown]:
    """A line when a step begins, or a long part of it, and for every tenth of one that takes long; with the time."""
    began = time.monotonic()
    at: dict[str, tuple[int, float, float]] = {}  # tenth that was said last, when counting began, when it was said

    def hear(moment: Moment) -> None:
        now, title = time.monotonic(), moment.line
        if title not in at:
            at[title] = (0, now, now)
            say(f"geoseg: {title}  {_clock(now - began)}")
        tenth, counting, said = at[title]
        if not moment.total:
            return
        if not moment.done:
            at[title] = (0, now, said)
        elif (reached := 10 * moment.done // moment.total) > tenth and now - said >= RARELY:
            at[title] = (reached, counting, now)
            say(f"geoseg: {title} {counted(moment, now - counting)}  {_clock(now - began)}")

    yield Shown(hear)


def counted(moment: Moment, seconds: float) -> str:
    """How much is done, how fast, and about how long the rest takes."""
    pixels = moment.unit == "px"
    scale, unit = (1e6, "Mpx") if pixels else (1, moment.unit)
    done, total = (f"{n / scale:.1f}" if pixels else str(n) for n in (moment.done, moment.total))
    if not moment.done:
        return f"0 % (0 of {total} {unit})"
    percent = min(100, 100 * moment.done // moment.total)
    rate = moment.done / max(seconds, 1e-3)
    left = (moment.total - moment.done) / max(rate, 1e-9)
    speed = f", {rate / scale:.{1 if rate >= scale else 2}f} {unit}/s" if pixels else ""
    rest = f", about {_clock(left)} left" if moment.done < moment.total else ""
    return f"{percent} % ({done} of {total} {unit}{speed}{rest})"


def _clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes:02d}:{rest:02d}"
