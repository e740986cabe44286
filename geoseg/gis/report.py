"""report.html: one self-contained page about a finished run, for people who were not there."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files

from geoseg.arrays import Json

__all__ = [
    "Measured",
    "ReportFacts",
    "html_page",
    "html_picture",
    "html_table",
    "report_html",
    "with_changes",
    "without_map",
]


@dataclass(frozen=True)
class Measured:
    """A layer: its name, how many features it has, and their area (m2) or length (m) on the ground, if any."""

    name: str
    features: int
    area: float | None = None
    length: float | None = None


@dataclass(frozen=True)
class ReportFacts:
    """Contents of the page.

    Attributes:
        title: of the page, and name of the output files.
        pictures: caption and PNG of each.
        areas: class, CSS colour, square metres.
        features: what there is of each layer.
        confidence: pixels by per cent, 0 to 100.
        doubtful: areas of low confidence to look at first: id, class, area_m2, confidence, x, y, picture (PNG) and map
            (address in the web map) of each.
        quarantined: path, reason and cure of each sheet that was set aside.
        timings: seconds by step.
        models: name, uses and licence of each network.
        facts: whatever else the head of the page says.
        rasters: file names of the class rasters.
    """

    title: str
    pictures: list[tuple[str, bytes]]
    areas: list[tuple[str, str, float]]
    features: list[Measured]
    confidence: list[int]
    doubtful: list[Json]
    quarantined: list[dict[str, str]]
    timings: dict[str, float]
    models: list[dict[str, str]]
    facts: dict[str, str] = field(default_factory=dict)
    rasters: tuple[str, ...] = ()


def html_table(head: list[str], rows: list[list[str]], numbers: tuple[int, ...] = ()) -> str:
    """A table of HTML cells; `numbers`: columns that are set to the right."""
    top = "".join(f"<th{_mark(i in numbers)}>{escape(h)}</th>" for i, h in enumerate(head))
    body = "".join(
        "<tr>" + "".join(f"<td{_mark(i in numbers)}>{c}</td>" for i, c in enumerate(row)) + "</tr>" for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def _mark(number: bool) -> str:
    return ' class="n"' if number else ""


def report_html(facts: ReportFacts) -> str:
    """The page: pictures, areas with bars, confidence, what to look at first, how it was made, how to open it."""
    parts = [f"<h1>{escape(facts.title)}</h1>", _facts(facts.facts)]
    if facts.quarantined:
        parts.append(
            f'<p class="warn">{len(facts.quarantined)} sheets were set aside; the map lacks them. See below.</p>'
        )
    for caption, png in facts.pictures:
        parts.append(f"<h2>{escape(caption)}</h2>{html_picture(caption, png)}")
    parts += ["<h2>Areas</h2>", _areas(facts.areas), "<h2>Features</h2>", _features(facts.features)]
    parts += ["<h2>Confidence</h2>", _histogram(facts.confidence), _doubtful(facts.doubtful)]
    if facts.quarantined:
        rows = [[escape(q["path"]), escape(q["reason"]), escape(q["cure"])] for q in facts.quarantined]
        parts += ["<h2>Sheets set aside</h2>", html_table(["sheet", "why", "what helps"], rows)]
    parts += ["<h2>Made by</h2>", _models(facts.models), _timings(facts.timings), _open(facts.title, facts.rasters)]
    return html_page(facts.title, "".join(parts))


def html_page(title: str, body: str) -> str:
    """A whole page with the style of reports; `body` is HTML, `title` is text."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_style()}</style><body>{body}</body></html>\n"
    )


def html_picture(caption: str, png: bytes) -> str:
    """A PNG that lies in the page itself."""
    data = base64.b64encode(png).decode()
    return f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}">'


def with_changes(page: str, title: str, lines: Sequence[str]) -> str:
    """A report with a section that says what changed, above its pictures; an earlier such section goes."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    section = f'<section id="changes"><h2>{escape(title)}</h2><ul>{items}</ul><a href="changes.html">more</a></section>'
    page = re.sub(r'<section id="changes">.*?</section>', "", page, flags=re.DOTALL)
    head, mark, rest = page.partition("<h2>")
    return f"{head}{section}{mark}{rest}"


def without_map(page: str) -> str:
    """A report without its links into the web map, for places where no such map lies."""
    page = re.sub(r'<a class="place" href="[^"]*">(.*?)</a>', r"\1", page, flags=re.DOTALL)
    return re.sub(r'<p class="small to-map">.*?</p>', "", page, flags=re.DOTALL)


def _style() -> str:
    """The page's style sheet on one line."""
    text = files("geoseg.gis").joinpath("pages", "report.css").read_text(encoding="utf-8")
    return text.strip().replace("\n", "")


def _facts(facts: dict[str, str]) -> str:
    return "<p class='small'>" + " · ".join(f"{escape(k)}: {escape(v)}" for k, v in facts.items()) + "</p>"


def _areas(areas: list[tuple[str, str, float]]) -> str:
    whole = sum(a for _, _, a in areas) or 1.0
    largest = max((a for _, _, a in areas), default=0.0) or 1.0
    rows = [
        [
            f'<span class="sw" style="background:{colour}"></span>{escape(name)}',
            f"{area:,.0f}",
            f"{100 * area / whole:.1f} %",
            f'<span class="bar" style="width:{100 * area / largest:.1f}%;background:{colour}"></span>',
        ]
        for name, colour, area in areas
    ]
    return html_table(["class", "m2 on the ground", "share", ""], rows, (1, 2))


def _features(layers: list[Measured]) -> str:
    rows = [
        [escape(one.name.replace("_", " ")), f"{one.features:,}", _or_nothing(one.area), _or_nothing(one.length)]
        for one in layers
    ]
    return html_table(["layer", "features", "m2 on the ground", "m on the ground"], rows, (1, 2, 3))


def _or_nothing(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _histogram(counts: list[int]) -> str:
    bins = [sum(counts[i : i + 5]) for i in range(0, 100, 5)]
    bins[-1] += counts[100] if len(counts) > 100 else 0
    top, whole = max(bins) or 1, sum(bins) or 1
    bars = "".join(
        f'<div title="{5 * i} to {5 * i + 5} %: {100 * b / whole:.2f} % of pixels" '
        f'style="height:{max(1, 100 * b / top):.1f}%"></div>'
        for i, b in enumerate(bins)
    )
    low = 100 * sum(bins[:12]) / whole
    note = f"0 to 100 percent; {low:.1f} % of the pixels are below 60 percent"
    return f'<div class="hist">{bars}</div><p class="small">{note}</p>'


def _doubtful(rows: list[Json]) -> str:
    """Small pictures of the places, each of which leads into the web map."""
    if not rows:
        return ""
    places = "".join(
        f'<a class="place" href="{escape(r["map"])}"><figure>{html_picture(str(r["id"]), r["picture"])}<figcaption>'
        f"<b>{escape(r['class'])}</b>, {r['confidence']:.0f} %<br>{r['area_m2']:,.0f} m2 · {escape(str(r['id']))}"
        f'<br><span class="small">{r["x"]:.1f}, {r["y"]:.1f}</span></figcaption></figure></a>'
        for r in rows
    )
    note = "A picture leads to its place in the web map, once that is there: <code>geoseg view RUN --web</code>."
    head = "<p>Look at these first (largest areas of low confidence):</p>"
    return f'{head}<div class="places">{places}</div><p class="small to-map">{note}</p>'


def _models(models: list[dict[str, str]]) -> str:
    rows = [
        [
            escape(m.get("name", "")),
            escape(m.get("good_for", "")),
            escape(m.get("not_good_for", "")),
            escape(m.get("licence", "")),
        ]
        for m in models
    ]
    return html_table(["network", "good for", "not good for", "licence"], rows)


def _timings(timings: dict[str, float]) -> str:
    return html_table(["step of mosaic", "seconds"], [[escape(n), f"{s:.1f}"] for n, s in timings.items()], (1,))


def _open(name: str, rasters: Sequence[str]) -> str:
    stem = escape(name)
    names = ", ".join(f"<code>{escape(r)}</code>" for r in rasters[:3]) + (" ..." if len(rasters) > 3 else "")
    return (
        f"<h2>Open it</h2><p>Drag {names} and <code>{stem}.gpkg</code> into QGIS (3.22 or "
        "newer): classes are named and coloured, layers styled, without a click. The styles are QGIS's own; other "
        "programs read the same files without them.</p>"
    )
