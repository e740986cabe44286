"""A hook of MkDocs: the parts of the documentation that follow from the code.

A page holds a line `<!-- generated: NAME -->`; when the site is built, the text of `PARTS[NAME]` takes its place.
So options, commands, config keys, layers and modules are written down once, in the code. Nothing here writes into the
repository.
"""

from __future__ import annotations

import ast
import importlib
import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields
from html import escape
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "geoseg"
MARK = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)


# --- hooks of MkDocs


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pictures that are drawn from the code, or lie elsewhere in the repository."""
    files.append(File.generated(config, "pictures/rooms.svg", content=rooms_picture()))
    demo = str(ROOT / "sample_data" / "demo.jpg")
    files.append(File.generated(config, "pictures/demo.jpg", abs_src_path=demo))
    return files


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the generated parts where a page asks for them."""
    return MARK.sub(lambda found: PARTS[found[1]](), markdown)


# --- tables


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [[*head], *([*row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in lines
    )


def code(text: object) -> str:
    """Text as code; nothing for nothing."""
    return f"`{text}`" if str(text) else ""


def prose(text: str) -> str:
    """Text for a table cell: what Markdown or HTML would take for its own is shown as it is."""
    return re.sub(r"([*_<>\[\]])", r"\\\1", text).replace("\\<", "&lt;").replace("\\>", "&gt;")


# --- command line


def command_line() -> str:
    """Every command with its help, arguments and options."""
    from geoseg.cli.main import COMMANDS, cli

    root = click.Context(cli, info_name="geoseg")
    parts = ["## geoseg", "", "Options that stand before the name of a command:", "", _options_of(cli, root)]
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None, name
        parts += _command(command, click.Context(command, info_name=name, parent=root))
    return "\n".join(parts)


def _command(command: click.Command, context: click.Context) -> list[str]:
    parts = [
        "",
        f"## {context.command_path}",
        "",
        _help_text(command),
        "",
        "```text",
        _usage(command, context),
        "```",
        "",
    ]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, name
            found = _command(inner, click.Context(inner, info_name=name, parent=context))
            parts += [line.replace("## ", "### ", 1) if line.startswith("## ") else line for line in found]
        return parts
    return [*parts, _options_of(command, context), ""]


def _usage(command: click.Command, context: click.Context) -> str:
    return " ".join([context.command_path, *command.collect_usage_pieces(context)])


def _help_text(command: click.Command) -> str:
    """The help as paragraphs; what click shows as it stands becomes a block of text."""
    paragraphs = []
    for part in re.split(r"\n\s*\n", (command.help or "").strip()):
        if part.lstrip().startswith("\b"):
            lines = textwrap.dedent(part.lstrip(" ").removeprefix("\b").strip("\n"))
            paragraphs.append(f"```text\n{lines}\n```")
        else:
            paragraphs.append(" ".join(part.split()))
    return "\n\n".join(paragraphs)


def _options_of(command: click.Command, context: click.Context) -> str:
    """The options under their headings, as `--help` shows them."""
    rows: dict[str, list[tuple[str, ...]]] = {}
    for option in command.get_params(context):
        record = option.get_help_record(context)
        if isinstance(option, click.Option) and record is not None and "--help" not in option.opts:
            rows.setdefault(getattr(option, "group", ""), []).append((code(record[0]), prose(record[1])))
    return _under_headings(rows, ("option", "meaning")) if rows else "No options."


def _under_headings(rows: dict[str, list[tuple[str, ...]]], head: tuple[str, ...]) -> str:
    """A table for each heading of `HELP_GROUPS` that has rows; those without a heading come first."""
    from geoseg.options import HELP_GROUPS

    parts = []
    for name in ("", *HELP_GROUPS):
        if name in rows:
            parts += [f"**{name}**", ""] if name else []
            parts += [table(head, rows[name]), ""]
    return "\n".join(parts)


# --- options and configs


def options_page() -> str:
    """Every option of every value in `geoseg.options`."""
    from geoseg import options

    parts = []
    for kind in (
        options.TileOptions,
        options.InferOptions,
        options.MosaicOptions,
        options.WorkOptions,
        options.NightOptions,
        options.EvaluateOptions,
        options.ChangesOptions,
    ):
        title = kind.__name__.removesuffix("Options").lower()
        rows: dict[str, list[tuple[str, ...]]] = {}
        for name, one in options.known(kind).items():
            rows.setdefault(one.group, []).append(_option_row(kind, name, one))
        parts += [f"## {title}", "", (kind.__doc__ or "").strip().splitlines()[0], ""]
        parts += [_under_headings(rows, ("command line", "Python", "value", "meaning")), ""]
    return "\n".join(parts)


def _option_row(kind: type, name: str, one: Any) -> tuple[str, ...]:
    hint = get_type_hints(kind)[name]
    default = _shown(_default_of(kind, name))
    flag = "--" + name.replace("_", "-")
    both = f"{flag} / --no-{flag[2:]}" if hint is bool and _default_of(kind, name) is True else flag
    flags = [both] if one.flags is None else [f.replace("/", " / ") for f in one.flags]
    notes = [prose(one.help)]
    if default and "default:" not in one.help and hint is not bool:
        notes.append(f"Default: {code(default)}.")
    notes += [_in_config(kind, name, one), "" if one.results else "*Results stay the same.*"]
    meaning = " ".join(n for n in notes if n)
    return ", ".join(map(code, flags)), code(name), prose(_value_of(hint, one)), meaning


def _in_config(kind: type, name: str, one: Any) -> str:
    """What is to be said of an option's key in a config; nothing where it has the option's own name."""
    from geoseg.options import ChangesOptions, EvaluateOptions

    if kind in (ChangesOptions, EvaluateOptions) or one.key is None:
        return ""
    return f"In a config: {code(one.key)}." if one.key else "Not in a config."


def _default_of(kind: type, name: str) -> Any:
    found: Field[Any] = next(f for f in fields(kind) if f.name == name)
    return found.default if found.default is not MISSING else ""


def _shown(value: Any) -> str:
    """A default as a user would write it; nothing for none."""
    if value is None or value == () or value == "":
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value_of(hint: Any, one: Any) -> str:
    """What a value may be."""
    if one.choices:
        return ", ".join(one.choices)
    if one.metavar:
        return str(one.metavar)
    plain = [a for a in (get_args(hint) or (hint,)) if a not in (type(None), Ellipsis)]
    word = {bool: "yes or no", int: "whole number", float: "number", str: "text", Path: "path"}.get(plain[0], "text")
    if hint is not bool and get_args(hint) and type(None) not in get_args(hint):
        word += "s" if word.endswith("number") else ", several"
    if one.read is not None and plain[0] not in (int, float):
        word = "text"
    bounds = []
    if one.least is not None:
        bounds.append(f"{'above' if one.above else 'at least'} {one.least:g}")
    if one.most is not None:
        bounds.append(f"at most {one.most:g}")
    return word + (", " + ", ".join(bounds) if bounds else "")


def run_config() -> str:
    """Sections and keys of a config of `geoseg run`."""
    from geoseg.night.config import SECTIONS, keys_of
    from geoseg.options import known

    parts = [
        table(
            ("key", "value", "meaning"),
            [
                ("`sheets`", "list of paths", "Files, folders, patterns and lists. The only key that must be there."),
                ("`out`", "path", "The run folder. The option `-o` wins over it."),
            ],
        )
    ]
    for section, kinds in SECTIONS.items():
        rows = []
        for kind in kinds:
            hints = get_type_hints(kind)
            for key, name in keys_of(kind).items():
                one = known(kind)[name]
                rows.append(
                    (
                        code(key),
                        prose(_value_of(hints[name], one)),
                        code(_shown(_default_of(kind, name))),
                        prose(one.help),
                    )
                )
        if section == "night":
            rows += [
                (
                    "`hooks.success`",
                    "list of words",
                    "",
                    "Command that is run after a good end (exit code 0 or 3). No shell.",
                ),
                ("`hooks.failure`", "list of words", "", "Command that is run after a bad end. No shell."),
                ("`hooks.webhook`", "address", "", "Gets the same facts as JSON by HTTP POST."),
            ]
        parts += ["", f"### {section}", "", table(("key", "value", "default", "meaning"), rows)]
    return "\n".join(parts)


def train_config() -> str:
    """Sections and keys of a config of `geoseg train`; an unexplained key stops the build."""
    from geoseg.learn import settings

    sections = {
        "": settings.TrainConfig,
        "model": settings.ModelSection,
        "data": settings.DataSection,
        "data.split": settings.SplitSection,
        "augment": settings.AugmentSection,
        "loss": settings.LossSection,
        "adapt": settings.AdaptSection,
        "stages": settings.Stage,
    }
    texts = _train_texts()
    parts = []
    for section, model in sections.items():
        rows = []
        for key, one in model.model_fields.items():
            where = f"{section}.{key}" if section else key
            if where not in texts:
                raise KeyError(f"docs/generate.py: no text for the key {where} of a training config")
            default = "" if one.is_required() or one.default is None else _plain(one.default)
            rows.append((code(key), code(default), texts[where]))
        title = {
            "": "At the top",
            "data": "data: a list of data sets",
            "data.split": "split, within a data set",
            "stages": "stages: a list",
        }.get(section, section)
        parts += [f"### {title}", "", table(("key", "default", "meaning"), rows), ""]
    return "\n".join(parts)


def _plain(value: Any) -> str:
    """A default as YAML would show it; sections are described by themselves."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return (
            "" if not value or not isinstance(value[0], (int, float, str)) else "[" + ", ".join(map(str, value)) + "]"
        )
    return "" if value == {} or hasattr(value, "model_dump") else str(value)


def _train_texts() -> dict[str, str]:
    """Meanings of the keys, by `section.key`."""
    lines = (Path(__file__).parent / "reference" / "train_keys.txt").read_text().splitlines()
    pairs = (line.split("|", 1) for line in lines if line.strip() and not line.startswith("#"))
    return {key.strip(): text.strip() for key, text in pairs}


# --- layers, cards, networks


def layer_tables() -> str:
    """Every table of the GeoPackage."""
    from geoseg.layers import LAYERS

    rows = [
        (code(one.name), code(name), one.geometry, layer.role or "all classes")
        for name, layer in LAYERS.items()
        for one in layer.tables
    ]
    return table(("table", "name in `--layers`", "geometry", "made of classes of the role"), rows)


def role_table() -> str:
    """Every role that a class can have."""
    from geoseg.layers import LAYERS, ROLES

    owner = {layer.role: name for name, layer in LAYERS.items() if layer.role}
    rows = [
        (
            code(name),
            f"{role.min_area:g}",
            code(owner[name]) if name in owner else "none of its own",
            ", ".join(map(code, role.words)),
        )
        for name, role in ROLES.items()
    ]
    return table(("role", "smallest polygon (m²)", "layer", "parts of a class name that mean it"), rows)


def class_rows() -> str:
    """The ISPRS table."""
    from geoseg.classes import ISPRS

    return table(("value", "name", "role"), [(str(c.value), c.name, c.role) for c in ISPRS.classes])


def card_fields() -> str:
    """Fields of a model card; a field without a text stops the build."""
    from geoseg.models.card import Card

    rows = []
    for one in fields(Card):
        default = "" if one.default is MISSING else code(_shown(one.default))
        rows.append(
            (
                code(one.name),
                "must be there" if one.default is MISSING and one.default_factory is MISSING else default,
                CARD[one.name],
            )
        )
    return table(("field", "default", "meaning"), rows)


CARD = {
    "name": "What the network is called in reports.",
    "architecture": "Name of the network, or `torchscript`, `export`, `onnx` for files that hold their own.",
    "classes": "The class table: rows of value, name, colour and role, in the order of the output channels.",
    "bands": "Meaning of each input band, in order: red, green, blue, nir, grey, height or other.",
    "mean": "Mean of each band, in the units of the data (0 to 255 for uint8).",
    "std": "Standard deviation of each band, in the same units.",
    "gsd": "Metres on the ground of one pixel at which the network works.",
    "gsd_range": "Smallest and largest GSD of sheets that it takes. Sheets up to 20 % outside are still taken.",
    "aux": "Scores that the network gives after those of the classes: `contact`, where two buildings meet.",
    "arguments": 'Arguments of the architecture, such as `{"width": 32}`.',
    "dtype": "Data type of the sheets that it was trained on.",
    "patch": "Side of a patch, in network pixels.",
    "overlap": "Overlap of neighbouring patches, in network pixels.",
    "margin": "Pixels at the edge of a patch whose scores are not used. 0: not known.",
    "stride": "Patch sides and steps are multiples of this.",
    "patch_dependent": "Whether scores depend on the size of the patch, as with global pooling.",
    "output": "`logits`, or `probabilities` if the network ends with a softmax.",
    "temperature": "Divides the scores before the softmax, so that the confidence is honest.",
    "good_for": "What it was made for. Shown in reports.",
    "not_good_for": "What it is known to fail at. Shown in reports.",
    "training": "How it was trained, on which data.",
    "parent": "The network whose weights its training began with, and the SHA-256 of its file.",
    "licence": "Licence of the weights and of the data that they were made from.",
    "metrics": "Scores, each with its protocol.",
}


def network_table() -> str:
    """Networks by name, with what they need of patches."""
    from geoseg.networks import NETWORKS, geometry_of

    rows = []
    for name in NETWORKS:
        one = geometry_of(name)
        rows.append(
            (code(name), str(one.stride), str(one.margin or "not known"), "yes" if one.patch_dependent else "no")
        )
    return table(("network", "patches are multiples of", "margin", "scores depend on the patch size"), rows)


# --- API


def api() -> str:
    """The public names, each from its docstring."""
    names = [n for n in importlib.import_module("geoseg").__all__ if not n.startswith("__")]
    first = ("run", "tile", "infer", "mosaic", "load_model", "features", "Run", "Network")
    names.sort(key=lambda n: (first.index(n) if n in first else len(first), n[0].isupper(), n))
    return "\n\n".join(f"::: geoseg.{name}" for name in names)


# --- rooms


def rooms() -> dict[str, list[Path]]:
    """Modules of each room: a folder of the package, each stage being one; single modules are rooms too."""
    found: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name not in ("__init__.py", "__main__.py"):
            found.setdefault(_room(path.relative_to(PACKAGE).with_suffix("").parts), []).append(path)
    return found


def _room(parts: tuple[str, ...]) -> str:
    return "/".join(parts[:2]) if parts[0] == "stages" else parts[0]


def module_lists() -> str:
    """Every room with its modules and what each is for."""
    parts, single = [], ["", "### Single files", ""]
    for room, paths in rooms().items():
        if len(paths) == 1 and paths[0].stem == room.rpartition("/")[2]:
            single.append(f"- `{room}.py`: {_first_line(paths[0])}")
            continue
        own = PACKAGE / room / "__init__.py"
        parts += ["", f"### {room}/", "", _first_line(own) if own.exists() else "", ""]
        parts += [f"- `{path.name}`: {_first_line(path)}" for path in paths]
    return "\n".join(parts + single)


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return text.strip().splitlines()[0] if text.strip() else ""


def imports() -> dict[str, set[str]]:
    """Room -> rooms that it imports from."""
    known = rooms()
    found: dict[str, set[str]] = {room: set() for room in known}
    for room, paths in known.items():
        for path in paths:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "geoseg":
                    names = [node.module] if node.module != "geoseg" else [f"geoseg.{a.name}" for a in node.names]
                    found[room] |= {_room(tuple(n.split(".")[1:])) for n in names if n and "." in n}
    return {room: {r for r in there if r in known and r != room} for room, there in found.items()}


GROUND = ("arrays", "errors", "commit", "parse", "config")
"""Rooms that nearly all others use: they are drawn, their arrows are not."""


def rooms_picture() -> str:
    """The rooms in floors, an arrow for each import that no longer way stands for, as SVG."""
    graph = {room: {r for r in there if r not in GROUND} for room, there in imports().items() if room not in GROUND}
    floor = {room: _height(room, graph, ()) for room in graph}
    rows = _untangled([sorted(r for r in graph if floor[r] == f) for f in range(max(floor.values()), -1, -1)], graph)
    rows.append(sorted(r for r in rooms() if r in GROUND))
    wide, high = 150 * max(map(len, rows)), 84 * len(rows)
    place = {
        room: (wide * (k + 1) / (len(row) + 1), 42 + 84 * n) for n, row in enumerate(rows) for k, room in enumerate(row)
    }
    lines = []
    for room, there in graph.items():
        for other in sorted(there):
            if any(other in _below(r, graph) for r in there if r != other and room not in _below(r, graph)):
                continue
            (x, y), (u, v) = place[room], place[other]
            lines.append(
                f'<line x1="{x:.0f}" y1="{y + 16:.0f}" x2="{u:.0f}" y2="{v - 18:.0f}" marker-end="url(#tip)"/>'
            )
    boxes = [
        f'<rect x="{x - 62:.0f}" y="{y - 16:.0f}" width="124" height="32" rx="5"/>'
        f'<text x="{x:.0f}" y="{y + 5:.0f}">{escape(room)}</text>'
        for room, (x, y) in place.items()
    ]
    style = (
        "line{stroke:#8a9;stroke-width:1.2}rect{fill:#e6f2f1;stroke:#00796b}"
        "text{font:13px sans-serif;text-anchor:middle;fill:#123}"
    )
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#8a9"/></marker></defs>'
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img" '
        'aria-label="imports between the rooms of geoseg">'
    )
    return "\n".join([head, f"<style>{style}</style>", tip, *lines, *boxes, "</svg>"])


def _untangled(rows: list[list[str]], graph: dict[str, set[str]]) -> list[list[str]]:
    """The same rows, each room moved towards the middle of those that it has to do with."""
    near = {room: graph[room] | {r for r in graph if room in graph[r]} for room in graph}
    for _ in range(8):
        place = {room: (k + 1) / (len(row) + 1) for row in rows for k, room in enumerate(row)}
        middle = {room: sum(place[r] for r in near[room]) / max(1, len(near[room])) for room in graph}
        rows = [sorted(row, key=lambda r: (middle[r], r)) for row in rows]
    return rows


def _height(room: str, graph: dict[str, set[str]], way: tuple[str, ...]) -> int:
    """Steps down from a room to the ground."""
    return max((1 + _height(r, graph, (*way, room)) for r in graph[room] if r not in way), default=0)


def _below(room: str, graph: dict[str, set[str]]) -> set[str]:
    """All rooms that one can come to from a room."""
    seen: set[str] = set()
    left = [room]
    while left:
        for other in graph[left.pop()] - seen:
            seen.add(other)
            left.append(other)
    return seen


PARTS: dict[str, Callable[[], str]] = {
    "command-line": command_line,
    "options": options_page,
    "run-config": run_config,
    "train-config": train_config,
    "layers": layer_tables,
    "roles": role_table,
    "isprs": class_rows,
    "card": card_fields,
    "networks": network_table,
    "api": api,
    "modules": module_lists,
}
"""What pages can ask for."""
