"""Types of arrays and of JSON, named once for the whole house."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "Bytes",
    "Doubles",
    "Floats",
    "Image",
    "Ints",
    "Json",
    "Labels",
    "Mask",
    "Shapes",
    "Valid",
    "Values",
    "full_scale",
]

Bytes = npt.NDArray[np.uint8]
"""Class values, confidence, colours."""
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
"""Numbers of regions."""
Values = npt.NDArray[np.unsignedinteger]
"""Class values, or codes of classes and states, of one or two bytes."""
Mask = npt.NDArray[np.bool_]
Valid = npt.NDArray[np.bool_]
"""Which pixels hold data."""
Image = npt.NDArray[Any]
"""Pixels (C, H, W) of any data type."""
Shapes = npt.NDArray[np.object_]
"""Shapely geometries."""
Json = dict[str, Any]
"""A JSON object, as it is read from a file or written to one."""


def full_scale(dtype: str) -> float:
    """The value of the brightest pixel in a data type: 255 for uint8, 65535 for uint16, 1 for floating types."""
    return 1.0 if dtype.startswith("float") else float(np.iinfo(dtype).max)
