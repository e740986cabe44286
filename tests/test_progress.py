"""How far a work is: numbers of steps, timed lines, bars, and nothing over a summary."""

from __future__ import annotations

import io

import pytest

from geoseg import progress
from geoseg.options import MosaicOptions
from geoseg.progress import Moment, Steps, as_part, bars, lines
from geoseg.stages.infer.infer import INFER_STEPS
from geoseg.stages.mosaic.mosaic import mosaic_steps


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that `lines` sees; tests move it."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_steps_are_counted_within_the_whole_work() -> None:
    heard: list[Moment] = []
    steps = Steps(("a", "b"), as_part(heard.append, before=3, of=7))
    steps.at("a")
    steps.at("b", 2, 5, "sheets")
    assert heard == [Moment("a", 4, 7), Moment("b", 5, 7, 2, 5, "sheets")]
    assert heard[1].title == "[5/7] b"


def test_every_step_of_the_mosaic_has_a_name_and_only_those_that_are_done() -> None:
    assert mosaic_steps(MosaicOptions())[-1] == "catalogue"
    few = mosaic_steps(MosaicOptions(vectors=False, sheet_rasters=False))
    assert few == ("class raster", "confidence raster", "catalogue")
    assert len(set(mosaic_steps(MosaicOptions(exact=True)) + INFER_STEPS)) == 9


def test_lines_say_when_a_step_begins_and_how_long_the_rest_takes(clock: list[float]) -> None:
    said: list[str] = []
    with lines(said.append) as shown:
        shown.hear(Moment("network", 2, 9))
        clock[0] += 65
        shown.hear(Moment("patches", 3, 9, 0, 20_000_000, "px"))
        for done in range(1, 5):
            clock[0] += 3
            shown.hear(Moment("patches", 3, 9, 5_000_000 * done, 20_000_000, "px"))
    assert said[:3] == [
        "geoseg: [2/9] network  00:00",
        "geoseg: [3/9] patches  01:05",
        "geoseg: [3/9] patches 25 % (5.0 of 20.0 Mpx, 1.7 Mpx/s, about 00:09 left)  01:08",
    ]
    assert said[-1] == "geoseg: [3/9] patches 100 % (20.0 of 20.0 Mpx, 1.7 Mpx/s)  01:17"


def test_an_engine_that_compiles_is_one_line(clock: list[float]) -> None:
    said: list[str] = []
    with lines(said.append) as shown:
        steps = Steps(("network", "patches"), shown.hear)
        steps.at("network")
        for _ in range(3):
            steps.doing("network", "compiling for openvino f32")
            clock[0] += 20
        steps.at("patches", 0, 5, "px")
    assert said == [
        "geoseg: [1/2] network  00:00",
        "geoseg: [1/2] network: compiling for openvino f32  00:00",
        "geoseg: [2/2] patches  01:00",
    ]


def test_what_goes_fast_is_one_line(clock: list[float]) -> None:
    said: list[str] = []
    with lines(said.append) as shown:
        for done in range(101):
            clock[0] += 0.01
            shown.hear(Moment("sheet rasters", 1, 1, done, 100, "sheets"))
    assert said == ["geoseg: [1/1] sheet rasters  00:00"]


def test_hours_are_shown(clock: list[float]) -> None:
    said: list[str] = []
    with lines(said.append) as shown:
        clock[0] += 3 * 3600 + 125
        shown.hear(Moment("catalogue"))
    assert said == ["geoseg: [1/1] catalogue  3:02:05"]


def test_bars_keep_a_line_for_each_step_and_rest_before_a_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    with bars() as shown:
        shown.hear(Moment("network", 1, 3))
        shown.hear(Moment("patches", 2, 3))
        shown.hear(Moment("patches", 2, 3, 0, 4_000_000, "px"))
        shown.hear(Moment("patches", 2, 3, 4_000_000, 4_000_000, "px"))
        shown.rest()
        assert screen.getvalue().endswith("\n")
        rested = len(screen.getvalue())
        shown.rest()
        assert len(screen.getvalue()) == rested
        shown.hear(Moment("class raster", 3, 3))
    text = screen.getvalue()
    for part in ("[1/3] network", "[2/3] patches 100 %", "4.00M of 4.00M", "[3/3] class raster"):
        assert part in text
