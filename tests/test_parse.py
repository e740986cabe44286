"""What users write, turned into values."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg import parse
from geoseg.errors import UsageError
from geoseg.night.publish import date_of


@pytest.mark.parametrize(
    ("text", "env", "expected"),
    [
        ("1/4", {}, (0, 4)),
        ("4/4", {}, (3, 4)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "8"}, (2, 8)),
        ("auto", {"AWS_BATCH_JOB_ARRAY_INDEX": "5", "AWS_BATCH_JOB_ARRAY_SIZE": "6"}, (5, 6)),
        ("auto/5", {"JOB_COMPLETION_INDEX": "0"}, (0, 5)),
        ("0/4", {}, None),
        ("5/4", {}, None),
        ("auto", {}, None),
        ("a/b", {}, None),
    ],
)
def test_shards_are_read_from_the_line_or_the_array(text, env, expected, monkeypatch) -> None:
    for name in ("SLURM_ARRAY_TASK_ID", "AWS_BATCH_JOB_ARRAY_INDEX", "JOB_COMPLETION_INDEX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    if expected is None:
        with pytest.raises(UsageError):
            parse.shard(text)
    else:
        assert parse.shard(text) == expected


def test_dates() -> None:
    assert parse.day("2026-02-03") == "2026-02-03"
    assert date_of(parse.day("today")) == time.strftime("%Y-%m-%d")
    assert date_of("") == ""
    for text in ("yesterday", "2026-13-01", "../x"):
        with pytest.raises(UsageError):
            parse.day(text)


def test_nodata_text():
    assert parse.nodata("255~12,0") == ((255.0, 12.0), (0.0, 0.0))
    assert parse.nodata("") == ()
    with pytest.raises(UsageError, match="VALUE~TOLERANCE"):
        parse.nodata("white")


# Whatever is read once is read again as it is

numbers = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=5).map(tuple)
floats = st.floats(-1e6, 1e6).map(lambda v: round(v, 6))
words = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)

READERS = [
    (parse.numbers("--bands", int), numbers, lambda v: ",".join(map(str, v))),
    (parse.numbers("--bbox", float, 4), st.tuples(floats, floats, floats, floats), lambda v: ",".join(map(repr, v))),
    (
        parse.names("--layers", ("a", "b", "c")),
        st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple),
        ",".join,
    ),
    (parse.size, st.integers(0, 1 << 50), str),
    (
        parse.nodata,
        st.lists(st.tuples(floats, floats.map(abs)), min_size=1, max_size=3).map(tuple),
        lambda v: ",".join(f"{a!r}~{b!r}" for a, b in v),
    ),
    (parse.overlap, st.integers(0, 9999).map(str) | st.integers(0, 99).map(lambda n: f"{n}%"), str),
    (parse.path, words.map(Path), str),
    (parse.paths, st.lists(words.map(Path), min_size=1, max_size=1).map(tuple), lambda v: str(v[0])),
    (parse.shard, st.tuples(st.integers(0, 8), st.integers(9, 20)), lambda v: f"{v[0] + 1}/{v[1]}"),
    (parse.day, st.dates().map(str) | st.sampled_from(["", "today"]), str),
    (
        parse.label_classes,
        st.lists(st.tuples(words, words), max_size=3).map(tuple),
        lambda v: [f"{a}={b}" for a, b in v],
    ),
    (parse.file_name, words, str),
]
NAMES = [
    "bands",
    "bbox",
    "layers",
    "size",
    "nodata",
    "overlap",
    "path",
    "paths",
    "shard",
    "day",
    "label_classes",
    "file_name",
]


@pytest.mark.parametrize(("read", "values", "write"), READERS, ids=NAMES)
@given(data=st.data())
def test_what_is_written_comes_back_and_a_value_stays_itself(read, values, write, data) -> None:
    value = data.draw(values)
    assert read(write(value)) == value
    assert read(value) == value
    assert read(read(write(value))) == read(write(value))


def test_every_reader_that_an_option_has_is_among_those(request) -> None:
    """But for `age`, which is given in seconds or as text."""
    public = set(parse.__all__) - {"age", "numbers", "names"}
    assert public == set(NAMES) - {"bands", "bbox", "layers"}


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("2K", 2048), ("1.5M", 3 << 19), ("2G", 2 << 30), ("2GB", 2 << 30), ("2GiB", 2 << 30), ("1t", 1 << 40)],
)
def test_sizes(text, size) -> None:
    assert parse.size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"), [("12h", 43_200), ("14d", 1_209_600), ("1w", 604_800), ("0.5d", 43_200), (7.0, 7)]
)
def test_time_spans(text, seconds) -> None:
    assert parse.age(text) == seconds


@pytest.mark.parametrize(
    ("read", "text", "flag"),
    [
        (parse.numbers("--bands", int), "1,two", "--bands"),
        (parse.numbers("--bbox", float, 4), "1,2,3", "--bbox"),
        (parse.names("--layers", ("cars",)), "lakes", "--layers"),
        (parse.size, "much", "--max-ram"),
        (parse.size, "1e999", "--max-ram"),
        (parse.overlap, "half", "--overlap"),
        (parse.age, "12", "--younger-than"),
        (parse.age, "xd", "--younger-than"),
        (parse.label_classes, ["building"], "--class"),
        (parse.file_name, "a/b", "--name"),
        (parse.file_name, ".a", "--name"),
        (parse.file_name, "..", "--name"),
    ],
)
def test_what_cannot_be_read_names_its_option_and_an_example(read, text, flag) -> None:
    with pytest.raises(UsageError) as caught:
        read(text)
    assert caught.value.subject == flag
    assert caught.value.cure


def test_no_name_means_the_default() -> None:
    read = parse.names("--layers", ("a", "b"), ("a", "b"))
    assert read("") == read(()) == ("a", "b")
    assert read(" a , ") == ("a",)
    assert parse.nodata(0) == ((0.0, 0.0),)
    assert os.fspath(parse.path(Path("x"))) == "x"


def test_distances() -> None:
    assert [parse.distance(v) for v in ("100km", "1.5 KM", "500m", "20", 7)] == [100_000, 1500, 500, 20, 7]
    for bad in ("far", "-5", -5.0, float("nan"), "1.2.3km"):
        with pytest.raises(UsageError, match="is not a distance"):
            parse.distance(bad)
