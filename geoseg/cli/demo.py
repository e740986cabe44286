"""geoseg demo: sample sheets, a whole run on them, and a picture of it."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg.cli.common import FILE, steps_shown, table
from geoseg.cli.groups import Command, option


@click.command("demo", cls=Command)
@option("-o", "--out", required=True, type=FILE, help="Folder to write into.")
@option("--sheets", type=FILE, help="Sample sheets to use [default: made on the spot].")
@click.pass_context
def command(ctx: click.Context, out: Path, sheets: Path | None) -> int:
    """Make sample sheets, run tile, infer and mosaic on them, draw a picture, and say what to open.

    \b
    geoseg demo -o demo/
    """
    from geoseg.night.demo import demo
    from geoseg.night.listener import Listener

    made = "" if sheets else ", the sheets are made now"
    click.echo(f"sample sheets -> tile -> infer -> mosaic; the network is the one that comes with geoseg{made}")
    with steps_shown(ctx.obj["quiet"]) as shown:
        report = demo(out, sheets, listener=Listener(progress=shown.hear))
    click.echo(f"\n{out}/")
    for line in tree(out):
        click.echo(line)
    if report.accuracy is not None:
        note = "drawn sheets with exact labels, all pixels; no measure for real photos"
        click.echo(f"\npixels right: {100 * report.accuracy.overall:.1f} % ({note})")
        click.echo(table([(name, f"IoU {100 * value:5.1f} %") for name, value in report.accuracy.iou.items()]))
    results = report.run.out
    click.echo("\nopen:")
    rows = [
        (str(report.picture), "photo | classes | features"),
        (str(results / "demo_classes.tif"), "class raster, in QGIS: named and coloured without a click"),
        (str(results / "demo.gpkg"), "land cover, buildings, streets, trees, cars; styled"),
        (str(results / "demo.qgz"), "the QGIS project of all of it"),
        (str(results / "report.html"), "pictures, areas, confidence, in a browser"),
        (str(report.run.patches_gpkg), "sheets, blocks and patches"),
    ]
    click.echo(table(rows))
    return 0 if report.stages.complete else 3


def tree(folder: Path, indent: str = "  ") -> list[str]:
    """One line for each file below a folder, with its size."""
    lines = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            lines.append(f"{indent}{path.name}/")
            lines += tree(path, indent + "  ")
        else:
            lines.append(f"{indent}{path.name:<{44 - len(indent)}} {path.stat().st_size / 1024:>9,.0f} KB")
    return lines
