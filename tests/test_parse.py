"""What users write, turned into values."""

from __future__ import annotations

import time

import pytest

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
