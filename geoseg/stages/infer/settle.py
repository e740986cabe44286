"""The job of a run: models fitted to the sheets, and the engine chosen once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Floats, Json
from geoseg.commit import commit_state, read_json
from geoseg.errors import PlanError
from geoseg.models.ensemble import Ensemble
from geoseg.models.facts import EngineFacts
from geoseg.models.foreign.trial import Limits
from geoseg.options import InferOptions
from geoseg.plan import Plan
from geoseg.predict.build import Setup
from geoseg.predict.choice import decide
from geoseg.predict.lattice import fitted_lattice, ratio_of
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import Job
from geoseg.sheets.photo import Photo
from geoseg.stages.infer.fit import bands_of, normalise_of
from geoseg.stages.infer.memory import widest_panel

__all__ = ["fitted_job", "foreseen_job", "save_job"]

log = logging.getLogger(__name__)

UNDECIDED = EngineFacts("", "", "", 0, "", "")


def fitted_job(
    run: Run, plan: Plan, ensemble: Ensemble, options: InferOptions, say: Callable[[str], None] = lambda text: None
) -> Job:
    """Fit the networks to the sheets and choose the engine; a choice made earlier for the same question stands.

    `say` hears what takes long.
    """
    job, setup, question = _without_engine(plan, ensemble, options)
    facts = _earlier_facts(run, question)
    if facts is None:
        facts = decide(replace(setup, say=say), options, lambda n: _sample(plan, job, n, options.read_timeout))
        commit_state(run.engine_json, {"question": question, "facts": facts.to_json()})
    return replace(job, facts=facts)


def foreseen_job(run: Run, plan: Plan, ensemble: Ensemble, options: InferOptions) -> Job | None:
    """The job that `fitted_job` would give; None where the engine would have to be chosen anew. Nothing is written."""
    job, _, question = _without_engine(plan, ensemble, options)
    facts = _earlier_facts(run, question)
    return None if facts is None else replace(job, facts=facts)


def _without_engine(plan: Plan, ensemble: Ensemble, options: InferOptions) -> tuple[Job, Setup, Json]:
    """A job whose engine is still open, what an engine has to compute, and the question that decides the engine."""
    card = ensemble.card
    ratio = ratio_of(plan.gsd, card, options.resample)
    lattice = fitted_lattice(plan, card, ensemble.margin, ratio)
    widest_panel(plan, lattice, ensemble, options)  # refuse too little memory before anything is compiled
    question = {
        "models": [m.key for m in ensemble.models],
        "asked": [options.engine, options.device, options.precision, options.batch_size, options.tta, str(ratio)],
        "patch": lattice.patch,
    }
    job = Job(
        lattice=lattice,
        facts=UNDECIDED,
        models=tuple((str(m.path.absolute()), m.key) for m in ensemble.models),
        bands=bands_of(plan, card),
        normalise=normalise_of(plan, card, options.range),
        probabilities=options.probabilities,
    )
    limits = Limits(options.model_timeout, options.max_ram or Limits.ram)
    return job, Setup(ensemble, lattice.patch, ratio, options.tta, limits), question


def _earlier_facts(run: Run, question: Json) -> EngineFacts | None:
    if not run.engine_json.exists():
        return None
    stored = read_json(run.engine_json)
    return EngineFacts(**stored["facts"]) if stored.get("question") == question else None


def _sample(plan: Plan, job: Job, number: int, read_timeout: float) -> Floats:
    """Up to so many standardised patches (n, C, P, P) from the middle of sheets spread over the run."""
    chosen = plan.sheets[:: max(1, len(plan.sheets) // number)][:number]
    spots = [(s, share) for s in chosen for share in ((0.5,) if len(chosen) == number else (0.3, 0.5, 0.7))][:number]
    side, normalise = job.lattice.patch, job.normalise
    patches = []
    with Photo(plan, job.bands, width=side, patience=read_timeout) as photo:
        for sheet, share in spots:
            w = sheet.window
            col, row = (int(o + (n - side) * share) for o, n in ((w.col_off, w.width), (w.row_off, w.height)))
            image, valid = photo.read(Window(col, row, side, side))
            scaled = (image.astype(np.float32) - normalise.mean[:, None, None]) / normalise.std[:, None, None]
            patches.append(np.where(valid, scaled, 0).astype(np.float32))
    return np.stack(patches) if patches else np.zeros((0, 1, side, side), np.float32)


def save_job(run: Run, ensemble: Ensemble, job: Job) -> None:
    """infer.json: what `mosaic` needs to know, and what a person may want to."""
    value = {
        "job": job.key,
        "lattice": job.lattice.to_json(),
        "engine": job.facts.to_json(),
        "models": [
            {
                "path": str(m.path.absolute()),
                "sha256": m.sha256,
                "key": m.key,
                **{k: getattr(m.card, k) for k in ("name", "good_for", "not_good_for", "licence")},
            }
            for m in ensemble.models
        ],
        "classes": ensemble.classes.to_json(),
        "bands": {p: list(b) for p, b in job.bands.items()},
        "mean": job.normalise.mean.tolist(),
        "std": job.normalise.std.tolist(),
        "probabilities": job.probabilities,
        **({"aux": list(ensemble.aux)} if ensemble.aux else {}),
    }
    if _stored(run.infer_json) != value:
        commit_state(run.infer_json, value)


def _stored(path: Path) -> object:
    """What was written earlier; None where that is nothing, or damaged."""
    try:
        return read_json(path) if path.exists() else None
    except PlanError as error:
        log.warning("%s; it is written again", error)
        return None
