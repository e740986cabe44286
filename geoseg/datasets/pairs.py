"""Photos and their label rasters, paired by name.

A photo is never its own label, and where several files could be the label of a photo, nobody guesses.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from geoseg.errors import UsageError

__all__ = ["is_label_name", "pair_labels", "stem_of"]

_LABEL = r"labels?|classes|masks?|gt|noboundary|building|truth"
_ENDING = re.compile(rf"[_-]?(rgb|irrg|rgbir|rgbi|ortho|images?|img|{_LABEL})$", re.IGNORECASE)
_LABEL_ENDING = re.compile(rf"[_-]({_LABEL})$", re.IGNORECASE)
_BARE = re.compile(r"no_?boundary", re.IGNORECASE)


def stem_of(path: Path) -> str:
    """File name without suffix and without the words that tell image from label, lower case."""
    stem = path.stem
    while (shorter := _ENDING.sub("", stem)) != stem:
        stem = shorter
    return stem.lower()


def is_label_name(path: Path) -> bool:
    """Whether a file name ends with a word that says label: `a_label`, `a_mask`, `a_label_noBoundary`."""
    return bool(_LABEL_ENDING.search(path.stem))


def pair_labels(
    images: Sequence[Path],
    candidates: Sequence[Path],
    where: object,
    *,
    photos: Iterable[Path] = (),
    boundary: str | None = None,
    option: str = "--labels-pattern",
) -> dict[Path, Path]:
    """The label of each image.

    Args:
        images: photos, or class rasters made from them.
        candidates: files that may be labels.
        where: they were looked for, for messages.
        photos: files that are surely no labels, besides the images themselves.
        boundary: rule that tells `a_label` from `a_label_noBoundary`; None where nobody said.
        option: the option or key that chooses among several.

    Raises:
        UsageError: an image without a label, or with several.
    """
    never = {p.resolve() for p in (*images, *photos)}
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in candidates:
        if path.resolve() not in never:
            by_stem[stem_of(path)].append(path)
    return {image: _only_one(image, by_stem[stem_of(image)], where, boundary, option) for image in images}


def _only_one(image: Path, found: list[Path], where: object, boundary: str | None, option: str) -> Path:
    """The label of an image among the files of its name."""
    stem = stem_of(image)
    if not found:
        raise UsageError(image, f"has no label in {where}", f"expected a name like {stem}_label.tif")
    likely = [p for p in found if is_label_name(p)] or found
    if len(likely) > 1 and boundary is not None:
        bare = boundary == "noBoundary"
        likely = [p for p in likely if bool(_BARE.search(p.stem)) == bare] or likely
    if len(likely) > 1:
        names = ", ".join(map(str, likely[:6])) + (" ..." if len(likely) > 6 else "")
        both = option.startswith("--") and any(_BARE.search(p.stem) for p in likely)
        cure = f"choose with {option}, for instance '{_pattern_of(likely[0], where)}'"
        cure += ", or say with --boundary which rule counts" if both else ""
        raise UsageError(image, f"could have {len(likely)} files as its label: {names}", cure)
    return likely[0]


def _pattern_of(label: Path, where: object) -> str:
    """A pattern that holds a label and those like it."""
    word = _LABEL_ENDING.search(label.stem)
    name = f"*{label.stem[word.start() :]}{label.suffix}" if word else f"*{label.suffix}"
    if isinstance(where, Path) and label.parent != where and where in label.parents:
        return f"{label.parent.relative_to(where)}/{name}"
    return name
