"""For mkdocstrings: an `Example:` of a docstring is shown as code, like `Examples:`."""

from __future__ import annotations

import re
from typing import Any

import griffe


class ExampleIsCode(griffe.Extension):
    """Rename the section before it is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Once for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^(\s*)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
