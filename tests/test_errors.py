"""The error tree."""

from __future__ import annotations

import pickle

import pytest

from geoseg import errors
from geoseg.errors import GeosegError, exit_code_of

KINDS = [getattr(errors, n) for n in errors.__all__ if n != "exit_code_of"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_says_subject_what_and_cure_and_survives_a_journey(kind) -> None:
    error = kind("a.tif", "is empty", "copy it again")
    assert str(error) == "a.tif: is empty (copy it again)"
    assert str(kind("a.tif", "is empty")) == "a.tif: is empty"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.subject, again.what, again.cure) == ("a.tif", "is empty", "copy it again")


def test_all_errors_have_one_root_and_the_exit_codes_of_the_docs() -> None:
    assert all(issubclass(k, GeosegError) for k in KINDS)
    codes = {k.__name__: k.exit_code for k in KINDS}
    assert codes == {
        "GeosegError": 1, "UsageError": 2, "SheetError": 1, "PlanError": 1, "TrainingError": 1, "ModelError": 5,
        "EnvironmentFault": 4, "Busy": 75, "SheetChanged": 1, "SheetAway": 1, "NeverEnds": 5,
        "OpenElsewhere": 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Busy("a", "b"), 75),
        (SystemExit(7), 7),
        (SystemExit("words"), 1),
        (KeyboardInterrupt(), 130),
        (OSError(28, "full"), 4),
        (MemoryError(), 4),
        (ZeroDivisionError(), 1),
    ],
)
def test_any_error_has_an_exit_code(error, code) -> None:
    assert exit_code_of(error) == code
