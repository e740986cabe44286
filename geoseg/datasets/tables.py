"""Class tables by name, or from a file."""

from __future__ import annotations

import json
from pathlib import Path

from geoseg.classes import ISPRS, ClassTable
from geoseg.datasets.public import CITYSCAPES, VOC
from geoseg.errors import UsageError

__all__ = ["TABLES", "table_by_name"]

TABLES = {"isprs": ISPRS, "voc": VOC, "cityscapes": CITYSCAPES}


def table_by_name(text: str) -> ClassTable:
    """A table out of `TABLES`, or of a JSON file of rows {value, name, colour, role}.

    Raises:
        UsageError: no such name or file. ModelError: a row with mistakes.
    """
    if text in TABLES:
        return TABLES[text]
    try:
        return ClassTable.from_json(json.loads(Path(text).read_text()))
    except (OSError, ValueError) as error:
        cure = f"give {', '.join(TABLES)} or a JSON file of rows"
        raise UsageError("--classes", f"{text!r}: {error}", cure) from error
