"""The `geoseg` command: finds its subcommands by name and imports one only when it runs, so `--help` is quick."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import traceback
import warnings
from typing import NoReturn

import click

from geoseg.errors import GeosegError, NeverEnds, exit_code_of
from geoseg.limits import few_arenas, memory_fault

COMMANDS = {
    "tile": "Put sheets on one grid and plan overlapping patches.",
    "infer": "Run a network over a planned run: class and confidence blocks.",
    "mosaic": "Stitch blocks into class rasters and polygons.",
    "run": "tile, infer and mosaic in one go; skips what is done.",
    "status": "How far a run is.",
    "verify": "Check everything that a run wrote once more.",
    "changes": "What changed from one night to another.",
    "prune": "Remove old published nights of a run.",
    "view": "A quick look at a run or class raster, as PNG.",
    "corrections": "Make a training set of what you wrote into a map.",
    "train": "Train a network from a config.",
    "evaluate": "Score rasters, runs or models against labels.",
    "model": "Look at, import, export and time model files.",
    "sample": "Make procedural sample scenes with exact labels.",
    "demo": "Make sample sheets and run everything on them.",
}


PLACES = {"changes": "nights.changes", "prune": "nights.prune", "corrections": "answers.corrections"}
"""Where in geoseg.cli a command lies, if not in a module of its name."""


class LazyGroup(click.Group):
    """Subcommands are modules geoseg.cli.NAME, or as `PLACES` says, that hold a click command `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"geoseg.cli.{PLACES.get(cmd_name, cmd_name)}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest known name where there is no such command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib import metadata

        click.echo(f"geoseg {metadata.version('geoseg')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", count=True, help="More log lines; twice for all.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no warnings.")
@click.option("--debug", is_flag=True, help="Show a traceback with errors.")
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
@click.pass_context
def cli(ctx: click.Context, verbose: int, quiet: bool, debug: bool) -> None:
    """Orthophotos to seamless class rasters and polygons.

    \b
    geoseg tile   sheets/*.tif -o run/                  plan: one grid, overlapping patches
    geoseg infer  run/ --model potsdam.safetensors      class and confidence blocks
    geoseg mosaic run/                                  COGs and a GeoPackage that open styled
    """
    ctx.obj = {"quiet": quiet, "debug": debug}
    level = logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(level=level, format="geoseg: %(levelname)s: %(message)s", stream=sys.stderr)
    logging.getLogger("geoseg").setLevel(level)
    for noisy in ("pyogrio", "rasterio", "numba", "fiona", "matplotlib"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))


def _one_line(text: str) -> str:
    """Control characters escaped: a log stays one line per event whatever a file is called."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _say(text: str) -> None:
    """One line for an error that is being handled; its traceback first, with --debug."""
    if "--debug" in sys.argv:
        traceback.print_exc()
    click.echo(f"geoseg: error: {_one_line(text)}", err=True)


def _read_names_as_utf8() -> None:
    """Start again in UTF-8 mode where the locale would read file names otherwise, such as C or Latin-1.

    Names on disk are UTF-8 nearly everywhere, and JSON and GeoPackages hold nothing else.
    """
    if sys.getfilesystemencoding() == "utf-8" or not sys.executable or "GEOSEG_UTF8" in os.environ:
        return
    os.environ |= {"PYTHONUTF8": "1", "GEOSEG_UTF8": "1"}  # the second: once only, whatever else stands in the way
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def main() -> NoReturn:
    """Run the command line; the exit code says what happened (see README)."""
    _read_names_as_utf8()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads cost 5 to 15 times on shared cores
    few_arenas()
    # rasterio hides it itself, but not reliably while sheets are warped in several threads
    warnings.filterwarnings("ignore", message="Dataset has no geotransform")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        code = cli.main(prog_name="geoseg", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except Exception as error:
        sys.exit(_told(error))


def _told(error: Exception) -> int:
    """Say in one line what went wrong; the exit code."""
    known = error if isinstance(error, GeosegError) else memory_fault(error)
    if known is not None:
        _say(str(known))
        if isinstance(known, NeverEnds):
            sys.stdout.flush()
            os._exit(exit_code_of(known))  # the usual way would wait for a thread that never ends
        return exit_code_of(known)
    if isinstance(error, click.exceptions.Abort):
        click.echo("geoseg: interrupted; the same command goes on where this one stopped", err=True)
        return 130
    if isinstance(error, click.ClickException):
        error.show()
        return 2
    if isinstance(error, (OSError, MemoryError)):
        _say(f"{getattr(error, 'filename', None) or 'this machine'}: {error or 'out of memory'}")
    else:  # whatever nobody foresaw: one line for the log, a traceback on request
        _say(f"unexpected {type(error).__name__}: {error} (run it again with --debug and report it)")
    return exit_code_of(error)


if __name__ == "__main__":
    main()
