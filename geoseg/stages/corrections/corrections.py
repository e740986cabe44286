"""geoseg corrections: a map that somebody has looked at becomes a training set with partial labels.

edited GeoPackage -> answers.gpkg of the run -> statements about ground -> crops of photo and labels -> corrections.json
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from geoseg.commit import folder, sweep
from geoseg.datasets.corrections.manifest import (
    Manifest,
    image_path,
    is_set,
    label_path,
    label_values,
    read_manifest,
    write_manifest,
)
from geoseg.errors import PlanError, UsageError
from geoseg.gis.answers.answers import Answers, read_answers
from geoseg.gis.answers.keep import Kept, take_answers
from geoseg.models.facts import NO_NETWORK
from geoseg.runfolder.blocks import BlockReader
from geoseg.runfolder.folder import Run
from geoseg.sheets.photo import Photo
from geoseg.stages.corrections.crops import Ground, Written, write_crops
from geoseg.stages.corrections.statements import Statement, statements_of

__all__ = ["CorrectionsReport", "corrections"]


@dataclass(frozen=True)
class CorrectionsReport:
    """What was made: the set's folder, its crops, answers by what they say, known pixels by class; `new`: answers.

    `withdrawn`: answers that the same file held before.
    """

    out: Path
    crops: int
    new: int
    answers: dict[str, int]
    pixels: dict[str, int]
    compared: bool
    withdrawn: int = 0


def corrections(run: Run | Path, edited: Path | None, out: Path, *, patience: float = 0.0) -> CorrectionsReport:
    """Make a training set of all that people have said of the maps of a run.

    Args:
        run: a finished run.
        edited: GeoPackage of the run, or a copy of it, with verdicts and edits; None for those that the run itself
            holds. What it says is also copied to answers.gpkg, so that the next review does not ask again.
        out: folder to make; one that holds an earlier set is brought up to date.
        patience: seconds to wait for another process on the run.

    Raises:
        UsageError: a map of another run, nothing that was said, or a folder that holds something else.
        PlanError: the run is not complete, or was made without a network.
        SheetError: a sheet cannot be read.
    """
    run = Run(Run.of(run).folder.absolute())
    plan = run.plan
    _check_run(run)
    earlier = _earlier(run, out)
    with run.lock(patience=patience):
        taken = [take_answers(run, file, plan.grid.crs, run.table) for file in _files(run, edited)]
        answers = read_answers(run, plan.grid.crs)
        statements, counts = statements_of(answers, run.table, run.answers_gpkg, _run_id(run))
        if not statements:
            cure = "fill in verdicts or edit polygons of NAME.gpkg in QGIS, then run it again"
            raise UsageError(edited or run.folder, "says nothing of the ground", cure)
        written = _write(run, out, statements)
        manifest = _manifest(run, answers, dict(sorted(counts.items())), written)
        write_manifest(out, manifest)
        _remove_others(out, earlier, manifest)  # last: whatever stops this, the manifest names crops that are there
    new, gone, pixels = sum(k.new for k in taken), sum(k.withdrawn for k in taken), dict(written.pixels)
    return CorrectionsReport(
        out, len(written.crops), new, manifest.counts["answers"], pixels, _all_compared(taken), gone
    )


def _earlier(run: Run, out: Path) -> list[str]:
    """The crops of a set of this run that a folder holds.

    Raises:
        UsageError: it holds something else, or corrections of another run.
    """
    if not is_set(out):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(out, "holds something else than corrections", "name a new folder")
        return []
    earlier = read_manifest(out)
    if earlier.run not in ("", run.identity):
        what = f"holds corrections of another run ({earlier.run[:12]}), expected of {run.folder} ({run.identity[:12]})"
        raise UsageError(out, what, "name a new folder: a config may list several sets")
    return earlier.crops


def _run_id(run: Run) -> str:
    """The run id of the present map; "" where no mosaic has finished since."""
    return run.run_id if run.run_json.is_file() else ""


def _all_compared(taken: Iterable[Kept]) -> bool:
    return all(kept.compared for kept in taken)


def _check_run(run: Run) -> None:
    """Refuse a run whose photo or map cannot be read.

    Raises:
        PlanError: it was made from a class raster, or its blocks are not all there.
    """
    if run.job.facts.engine == NO_NETWORK:
        raise PlanError(run.folder, "was made from a class raster: it has no photo", "use a run of geoseg infer")
    state = run.state()
    if not state.complete:
        what = f"{len(state.stale)} of {len(state.blocks)} blocks are missing or out of date"
        raise PlanError(run.folder, what, "run geoseg infer and mosaic first")


def _files(run: Run, edited: Path | None) -> list[Path]:
    """The file that was named, or the map of the run.

    Raises:
        PlanError: no mosaic has finished here.
    """
    if edited is not None:
        return [edited]
    _ = run.finished
    file = run.feature_file
    return [] if file is None else [file]


def _write(run: Run, out: Path, statements: list[Statement]) -> Written:
    """Write the crops of all statements."""
    plan, job = run.plan, run.job
    for place in (image_path(out, "x").parent, label_path(out, "x").parent):
        sweep(folder(place), 0)
    reader = BlockReader(run.blocks, plan, run.state().blocks)
    with Photo(plan, job.bands) as photo:
        return write_crops(out, Ground(plan, photo, reader, run.table, label_values(run.table)), statements)


def _manifest(run: Run, answers: Answers, counts: dict[str, int], written: Written) -> Manifest:
    run_ids = sorted({str(name) for frame in (answers.review, answers.edits) for name in frame["run_id"]})
    plan, job = run.plan, run.job
    return Manifest(
        run_ids=run_ids,
        parents=[{k: str(m[k]) for k in ("name", "key", "sha256")} for m in run.models],
        values={str(value): said for said, value in label_values(run.table).items()},
        gsd=plan.gsd,
        bands=len(next(iter(job.bands.values()))),
        dtype=plan.sheets[0].header.dtype,
        crops=written.crops,
        counts={"answers": counts, "pixels": dict(written.pixels)},
        run=run.identity,
    )


def _remove_others(out: Path, earlier: list[str], manifest: Manifest) -> None:
    """Remove crops of an earlier set of which nothing is known any more."""
    for crop in {*earlier} - {*manifest.crops}:
        image_path(out, crop).unlink(missing_ok=True)
        label_path(out, crop).unlink(missing_ok=True)
