"""geoseg run."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from geoseg.cli.common import Size, one_way_to_share, progress_bar, scale_options, table
from geoseg.cli.infer import echo_model, infer_options
from geoseg.cli.infer import made_options as made_infer_options
from geoseg.cli.mosaic import made_options as made_mosaic_options
from geoseg.cli.mosaic import mosaic_options
from geoseg.cli.tile import made_options as made_tile_options
from geoseg.cli.tile import tile_options

NO_RESULTS = (
    "threads",
    "max_ram",
    "read_timeout",
    "workers",
    "scheduler",
    "quarantine_ok",
    "metrics",
    "log_json",
    "hooks",
    "retention",
)
"""Options that change how, not what."""


def _with_config(ctx: click.Context, values: dict[str, Any], path: Path) -> tuple[list[Path], Path | None]:
    """Fill in what the command line left open from a config; returns (sheets, run folder)."""
    from geoseg.config import load_config

    config = load_config(path)
    stated = {
        **config.tile.model_dump(),
        **config.infer.model_dump(),
        **{k: v for k, v in config.mosaic.model_dump().items() if k != "sheets"},
        **{k: getattr(config.night, k) for k in ("workers", "scheduler", "metrics")},
        "sheet_rasters": config.mosaic.sheets,
        "date": "today" if config.night.publish else "",
    }
    stated["models"] = tuple(stated.pop("model") or ())
    stated["value_range"] = stated.pop("range")
    stated["layers"] = ",".join(stated["layers"])
    stated["vector_format"] = ",".join(stated["vector_format"])
    stated["bands"] = tuple(stated["bands"])
    stated["nodata"] = str(stated["nodata"])
    stated["overlap"] = None if stated["overlap"] is None else str(stated["overlap"])
    stated["max_ram"] = None if stated["max_ram"] is None else Size().convert(stated["max_ram"], None, ctx)
    for name, value in stated.items():
        if name in values and ctx.get_parameter_source(name) in (ParameterSource.DEFAULT, None):
            values[name] = value
    hooks = config.night.hooks
    values["hooks"] = (tuple(hooks.success), tuple(hooks.failure), hooks.webhook)
    values["retention"] = (config.night.keep, config.night.keep_days) if config.night.publish else None
    return list(config.sheets), config.out


@click.command("run")
@click.argument("sheets", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", "run", type=click.Path(path_type=Path), help="Run folder [default: the config's `out`].")
@click.option(
    "--date",
    default="",
    metavar="DATE",
    help="Keep the outputs as out/DATE and switch out/latest to them: 2026-11-21 or today.",
)
@scale_options
@click.option(
    "--retry-failed", is_flag=True, help="Try sheets again whose pixels could not be read, also unchanged ones."
)
@click.option(
    "--quarantine-ok",
    is_flag=True,
    help="Exit code 0 instead of 3 where sheets were quarantined, for schedulers that try again.",
)
@click.option("--dry-run", is_flag=True, help="Only say what is new, changed, stale, and what it would take.")
@click.option("--metrics", type=click.Path(path_type=Path), help="Write a Prometheus textfile at the end.")
@click.option("--log-json", is_flag=True, help="Log lines as JSON, also what each stage did.")
@tile_options
@infer_options
@mosaic_options
@click.option("--overwrite", is_flag=True, help="Forget an earlier plan of this run folder.")
@click.pass_context
def command(ctx: click.Context, /, sheets: tuple[Path, ...], run: Path | None, **values: Any) -> int:
    """tile, infer and mosaic in one go, for SHEETS (files, folders, patterns, .txt lists) or one CONFIG (YAML).

    What is up to date is skipped: run it again after adding sheets, after a crash, or every night.
    """
    from geoseg.errors import UsageError

    paths = list(sheets)
    if len(paths) == 1 and paths[0].suffix.lower() in (".yaml", ".yml"):
        paths, configured = _with_config(ctx, values, paths[0])
        run = run or configured
    if run is None:
        raise UsageError("--out", "no run folder named", "add -o FOLDER, or `out:` to the config")
    one_way_to_share(values)
    if values["log_json"]:
        _log_as_json()
    if values["dry_run"]:
        return _foretell(paths, run, _tiling(values), made_infer_options(values))
    return _night(ctx, paths, run, values)


def _tiling(values: dict[str, Any]) -> Any:
    return made_tile_options(values, overwrite=values["overwrite"], retry_failed=values["retry_failed"])


def _night(ctx: click.Context, paths: list[Path], run: Path, values: dict[str, Any]) -> int:
    """Do it, and tell metrics and hooks how it ended whatever happens."""
    from geoseg.errors import GeosegError
    from geoseg.night.publish import parse_date, prune
    from geoseg.night.tell import Facts, Hooks

    facts = Facts(str(run))
    hooks = Hooks(*values["hooks"]) if values.get("hooks") else Hooks()
    try:
        date = parse_date("" if values["date"] == "today" else values["date"]) if values["date"] else ""
        facts.date = date
        asked = _asked(paths, run, date, values)
        if not _nothing_new(run, asked, facts, values):
            _do(ctx, paths, run, date, asked, facts, values)
        if values.get("retention") and facts.published:
            keep, days = values["retention"]
            for gone in prune(run, keep, days * 86400, patience=60):
                _say(values, f"removed {gone}")
        return 0 if facts.exit_code == 3 and values["quarantine_ok"] else facts.exit_code
    except BaseException as error:
        facts.exit_code = error.exit_code if isinstance(error, GeosegError) else _code(error)
        facts.error = str(error)
        raise
    finally:
        _told(hooks, facts, values["metrics"])


def _asked(paths: list[Path], run: Path, date: str, values: dict[str, Any]) -> Any:
    """What this night is asked for; None where it must look at everything, or does a part only."""
    if values["overwrite"] or values["retry_failed"] or values["shard"] or (values["aoi"] and values["aoi"].is_dir()):
        return None
    from importlib import metadata

    from geoseg.models.files import shipped_model
    from geoseg.night.stamp import question
    from geoseg.sheets.listing import find_sheets

    options = {n: v for n, v in values.items() if n not in NO_RESULTS}
    options |= {"date": date, "geoseg": metadata.version("geoseg"), "sheets": paths}
    others = [*(values["models"] or (shipped_model(),)), *([values["aoi"]] if values["aoi"] else [])]
    return question(find_sheets(paths), others, options)


def _nothing_new(run: Path, asked: Any, facts: Any, values: dict[str, Any]) -> bool:
    """Whether all is as the last night left it; says so, and what was set aside then."""
    from geoseg.night.stamp import unchanged

    known = None if asked is None else unchanged(run, asked)
    if known is None:
        return False
    for path, reason, cure in known["quarantined"]:
        logging.getLogger(__name__).error("%s: %s (%s)", path, reason, cure)
    facts.sheets, facts.quarantined, facts.blocks = known["sheets"], len(known["quarantined"]), known["blocks"]
    facts.exit_code, facts.published = 3 if known["quarantined"] else 0, known["published"]
    _say(
        values,
        f"nothing to do: {facts.sheets} sheets, {facts.blocks} blocks and all outputs are as the last run left them",
    )
    return True


def _do(
    ctx: click.Context, paths: list[Path], run: Path, date: str, asked: Any, facts: Any, values: dict[str, Any]
) -> None:
    """All stages; fills in the facts."""
    if not values["log_json"]:
        echo_model(values["models"])
    report = _computed(ctx, paths, run, values, date, asked)
    facts.sheets, facts.quarantined = len(report.tile.plan.sheets), len(report.infer.quarantined)
    facts.blocks, facts.computed, facts.seconds = report.infer.blocks, report.infer.computed, report.seconds
    facts.exit_code = 0 if report.complete else 3
    if report.published:
        facts.published = str(report.published)
        _say(values, f"published {report.published}")
    facts.partial = report.mosaic is None
    if facts.partial:
        _say(values, "this shard is done; the last one to end writes the outputs")


def _told(hooks: Any, facts: Any, metrics: Path | None) -> None:
    """Metrics, then hooks; neither changes how the night ended."""
    from geoseg.errors import GeosegError
    from geoseg.night.tell import tell, write_metrics

    try:
        if metrics is not None:
            write_metrics(metrics, facts)
    except (GeosegError, OSError, ValueError) as error:
        logging.getLogger(__name__).warning("metrics: %s", error)
    tell(hooks, facts)


def _code(error: BaseException) -> int:
    """The exit code that `main` will choose."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    return (
        130
        if isinstance(error, (KeyboardInterrupt, click.Abort))
        else 4
        if isinstance(error, (OSError, MemoryError))
        else 1
    )


def _computed(ctx: click.Context, paths: list[Path], run: Path, values: dict[str, Any], date: str, asked: Any) -> Any:
    from geoseg.cli import infer, mosaic, tile
    from geoseg.night.night import Night, run_all
    from geoseg.stages.infer.infer import InferReport
    from geoseg.stages.tile.tile import TileReport
    from geoseg.work.dask import executor

    def told(report: object) -> None:
        if values["log_json"]:
            _log_report(report)
        elif isinstance(report, TileReport):
            tile.echo_plan(report)
        elif isinstance(report, InferReport):
            infer.echo_report(report)
        else:
            mosaic.echo_report(report)

    with (
        executor(values["workers"], values["scheduler"], values["max_ram"], values["device"]) as who,
        progress_bar(ctx.obj["quiet"] or values["log_json"]) as progress,
    ):
        return run_all(
            paths,
            run,
            _tiling(values),
            made_infer_options(values),
            made_mosaic_options(values),
            night=Night(values["shard"], who, date, asked),
            told=told,
            progress=progress,
        )


def _say(values: dict[str, Any], text: str) -> None:
    if values["log_json"]:
        logging.getLogger("geoseg.run").info("%s", text)
    else:
        click.echo(text)


def _log_as_json() -> None:
    from geoseg.night.tell import JsonLines

    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonLines())
    logging.getLogger("geoseg").setLevel(min(logging.INFO, logging.getLogger("geoseg").level or logging.INFO))
    logging.getLogger().setLevel(min(logging.INFO, logging.getLogger().level))
    logging.getLogger("distributed").setLevel(logging.WARNING)


def _log_report(report: Any) -> None:
    """A stage's numbers as one log line."""
    plain = {k: v for k, v in vars(report).items() if isinstance(v, (int, float, str, bool))}
    words = " ".join(f"{k}={v}" for k, v in plain.items())
    stage = re.sub("Report$", "", type(report).__name__).lower()
    logging.getLogger("geoseg.run").info("%s done: %s", stage, words)


def _foretell(paths: list[Path], run: Path, tiling: Any, inference: Any) -> int:
    from geoseg.night.forecast import forecast

    found = forecast(paths, run, tiling, inference)
    time = (
        f"about {found.seconds / 60:.1f} min at the speed of earlier blocks"
        if found.seconds
        else "unknown: no block was computed here yet"
    )
    rows = [
        (
            "sheets",
            f"{len(found.new)} new, {len(found.changed)} changed, {found.same} unchanged, {len(found.gone)} gone",
        ),
        ("quarantined", str(len(found.quarantined))),
        ("blocks", f"{found.stale} of {found.blocks} to compute, {found.megapixels:,.1f} Mpx"),
        ("disk", f"about {found.disk / 1e9:.2f} GB, {found.free / 1e9:.1f} GB free"),
        ("memory", f"about {found.memory / 1e9:.1f} GB"),
        ("time", time if found.stale else "seconds"),
    ]
    click.echo(table(rows))
    for kind in ("new", "changed", "gone", "quarantined"):
        for path in getattr(found, kind)[:20]:
            click.echo(f"  {kind}: {path}")
    click.echo("dry run: nothing was written")
    return 0
