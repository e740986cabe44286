"""What the page of a web map says of a run: its layers, classes, colours and facts, as JSON."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path

from geoseg.arrays import Json
from geoseg.classes import ClassTable, Colour
from geoseg.colours import REVIEW_REASONS, css, darker, lighter, of_role
from geoseg.geometry.ground import crs_name
from geoseg.gis.columns import COLUMNS
from geoseg.gis.web_map.mercator import degrees
from geoseg.gis.web_map.pictures import CONFIDENCE_STEP, confidence_colours
from geoseg.gis.web_map.vector_tiles import VectorTiles
from geoseg.layers import Table, role_of_table, tables
from geoseg.runfolder.folder import Run
from geoseg.stages.look.web_tiles import LANDCOVER, REVIEW, RunTiles

__all__ = ["map_facts", "serve_command"]

PICTURES = {
    "photo": ("Photo", 1.0, ("#8a9a72", "#b9a58c", "#66757d", "#d3ccbd")),
    LANDCOVER: ("Land cover", 0.7, ()),
    "classes": ("Classes", 0.7, ()),
    "confidence": ("Confidence", 0.8, ("#b2182b", "#ef8a62", "#fddbc7", "#f7f7f7")),
}
"""Name, opacity and colours of the swatch of each picture."""


def serve_command(run: Path, out: Path | None) -> str:
    """The command that serves the web map of a run at the place that `web_map` was given."""
    place = [] if out is None else ["-o", str(out)]
    return shlex.join(["geoseg", "view", str(run), "--serve", *place])


def map_facts(run: Run, tiles: RunTiles, serve: str) -> Json:
    """All that the page shows besides the tiles; `serve` is the command that serves it."""
    plan, table, finished = run.plan, run.table, run.finished
    made = datetime.fromtimestamp(run.run_json.stat().st_mtime, UTC).date().isoformat()
    sheets = f"{len(plan.sheets)} sheet{'s' * (len(plan.sheets) != 1)}"
    title = file.stem if (file := run.feature_file) else run.folder.resolve().name
    areas = finished.get("areas_m2", {})
    box = tiles.box
    return {
        "title": title,
        "about": f"{made} · {sheets} · {plan.gsd:.2f} m pixels",
        "notes": list(tiles.notes),
        "facts": _facts(run, made),
        "serve": serve,
        "run": str(finished["key"])[:12],
        "bounds": [*degrees(box[0], box[1]), *degrees(box[2], box[3])],
        "zooms": list(tiles.zooms),
        "local": list(tiles.placement.shift) if tiles.placement.local else None,
        "classes": [
            {"name": c.name, "colour": _hex(colour), "area": areas.get(c.name)}
            for c, colour in zip(table.classes, tiles.colours, strict=True)
        ],
        "step": CONFIDENCE_STEP,
        "ramp": [_hex(c) for c in confidence_colours()],
        "pictures": [_picture(name, tiles, table) for name in tiles.pictures],
        "objects": [_objects(look, tiles.vectors[look.name], table) for look in _looks(tiles.vectors)],
    }


def _facts(run: Run, made: str) -> list[list[str]]:
    """Pairs of words for the end of the panel."""
    plan, finished = run.plan, run.finished
    model = ", ".join(str(m.get("name", "")) for m in finished.get("models", [])) or "none"
    return [
        ["Made", made],
        ["Run", run.run_id],
        ["geoseg", str(finished["versions"]["geoseg"])],
        ["Network", model],
        ["CRS of the run", crs_name(plan.grid.crs)],
        ["Sheets", f"{len(plan.sheets)}, {len(plan.quarantined)} set aside"],
        ["Pixel", f"{plan.gsd:.3f} m on the ground"],
    ]


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _picture(name: str, tiles: RunTiles, table: ClassTable) -> Json:
    title, opacity, sample = PICTURES[name]
    return {
        "id": name,
        "name": title,
        "file": f"{name}.pmtiles",
        "shown": name == tiles.pictures[0] if "photo" not in tiles.pictures else name == "photo",
        "opacity": opacity,
        "sample": sample or [c.hex for c in table.classes[:4]],
    }


def _looks(vectors: dict[str, VectorTiles]) -> list[Table]:
    """Tables from the bottom up; what is to be reviewed lies on top."""
    known = sorted((t for t in tables().values() if t.name in vectors), key=lambda t: t.level)
    return [*known, Table(REVIEW, fill=0.2, on_map=False)] if REVIEW in vectors else known


def _objects(look: Table, made: VectorTiles, table: ClassTable) -> Json:
    review = look.name == REVIEW
    colour = (214, 40, 40) if review else of_role(table, role_of_table(look.name))
    words = "places to review" if review else look.name.replace("_", " ")
    by = [[reason, _hex(c), _hex(darker(c, 0.2))] for reason, c in REVIEW_REASONS.items()]
    return {
        "id": look.name,
        "name": words.capitalize(),
        "one": "Place to review" if review else words.removesuffix("s").capitalize(),
        "file": f"{look.name}.pmtiles",
        "kind": look.geometry,
        "zooms": [made.first, made.last],
        "count": made.features,
        "shown": look.on_map,
        "opacity": 1.0,
        "colour": _hex(colour),
        "edge": _hex(darker(colour)),
        "inside": _hex(lighter(colour, 0.6)),
        "see": css(colour, max(look.fill, 0.15)),
        "fill": look.fill,
        "line": look.line,
        "sure": "confidence" in made.columns and not review,
        "columns": {c: COLUMNS[c].alias if c in COLUMNS else c for c in made.columns},
        "by": {"column": "reason", "values": by} if review else None,
    }
