"""report.html: one self-contained page about a finished run, for people who were not there."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html import escape
from typing import Any

__all__ = ["ReportFacts", "report_html"]

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:1100px;margin:2em auto;padding:0 1em;background:#fff}
h1{font-size:1.6em;margin:0 0 .2em}h2{font-size:1.15em;margin:2em 0 .5em;border-bottom:1px solid #ddd;padding-bottom:.2em}
table{border-collapse:collapse;width:100%}td,th{padding:.25em .6em;text-align:left;border-bottom:1px solid #eee;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}img{max-width:100%;border:1px solid #ddd}
td:has(.bar){width:45%}.bar{display:inline-block;height:.8em;border:1px solid #888;vertical-align:-.05em}.sw{display:inline-block;width:.9em;height:.9em;border:1px solid #888;margin-right:.5em;vertical-align:-.1em}
.hist{display:flex;align-items:flex-end;height:110px;gap:2px}.hist div{flex:1;background:#30638e}.small{color:#666;font-size:.9em}.warn{background:#fff4e0;padding:.6em 1em;border-left:4px solid #e0a020}
""".strip().replace("\n", "")


@dataclass(frozen=True)
class ReportFacts:
    """What the page says. `pictures` are (caption, PNG bytes); `areas` (class, colour, m2); `confidence` counts of 0 to 100 percent."""

    title: str
    pictures: list[tuple[str, bytes]]
    areas: list[tuple[str, str, float]]
    features: dict[str, int]
    confidence: list[int]
    doubtful: list[dict[str, Any]]
    quarantined: list[dict[str, str]]
    timings: dict[str, float]
    models: list[dict[str, str]]
    facts: dict[str, str] = field(default_factory=dict)


def _table(head: list[str], rows: list[list[str]], numbers: tuple[int, ...] = ()) -> str:
    top = "".join(f"<th{_mark(i in numbers)}>{escape(h)}</th>" for i, h in enumerate(head))
    body = "".join(
        "<tr>" + "".join(f"<td{_mark(i in numbers)}>{c}</td>" for i, c in enumerate(row)) + "</tr>" for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def _mark(number: bool) -> str:
    return ' class="n"' if number else ""


def report_html(facts: ReportFacts) -> str:
    """The page: pictures, areas with bars, confidence, what to look at twice, how it was made, how to open it."""
    parts = [f"<h1>{escape(facts.title)}</h1>", _facts(facts.facts)]
    if facts.quarantined:
        parts.append(
            f'<p class="warn">{len(facts.quarantined)} sheets were set aside; the map lacks them. See below.</p>'
        )
    for caption, png in facts.pictures:
        data = base64.b64encode(png).decode()
        parts.append(f'<h2>{escape(caption)}</h2><img alt="{escape(caption)}" src="data:image/png;base64,{data}">')
    parts += ["<h2>Areas</h2>", _areas(facts.areas), "<h2>Features</h2>", _features(facts.features)]
    parts += ["<h2>Confidence</h2>", _histogram(facts.confidence), _doubtful(facts.doubtful)]
    if facts.quarantined:
        rows = [[escape(q["path"]), escape(q["reason"]), escape(q["cure"])] for q in facts.quarantined]
        parts += ["<h2>Sheets set aside</h2>", _table(["sheet", "why", "what helps"], rows)]
    parts += ["<h2>Made by</h2>", _models(facts.models), _timings(facts.timings), _open(facts.title)]
    body = "".join(parts)
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(facts.title)}</title><style>{_STYLE}</style><body>{body}</body></html>\n'


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
    return _table(["class", "m2 on the ground", "share", ""], rows, (1, 2))


def _features(features: dict[str, int]) -> str:
    return _table(["layer", "features"], [[escape(n), f"{k:,}"] for n, k in features.items()], (1,))


def _histogram(counts: list[int]) -> str:
    bins = [sum(counts[i : i + 5]) for i in range(0, 100, 5)]
    bins[-1] += counts[100] if len(counts) > 100 else 0
    top, whole = max(bins) or 1, sum(bins) or 1
    bars = "".join(
        f'<div title="{5 * i} to {5 * i + 5} %: {100 * b / whole:.2f} % of pixels" style="height:{max(1, 100 * b / top):.1f}%"></div>'
        for i, b in enumerate(bins)
    )
    low = 100 * sum(bins[:12]) / whole
    return f'<div class="hist">{bars}</div><p class="small">0 to 100 percent; {low:.1f} % of the pixels are below 60 percent</p>'


def _doubtful(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    cells = [
        [
            escape(str(r["id"])),
            escape(r["class"]),
            f"{r['area_m2']:,.0f}",
            f"{r['confidence']:.0f}",
            f"{r['x']:.1f}, {r['y']:.1f}",
        ]
        for r in rows
    ]
    return "<p>Look at these first (largest areas of low confidence):</p>" + _table(
        ["id", "class", "m2", "confidence", "x, y"], cells, (2, 3)
    )


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
    return _table(["network", "good for", "not good for", "licence"], rows)


def _timings(timings: dict[str, float]) -> str:
    return _table(["step of mosaic", "seconds"], [[escape(n), f"{s:.1f}"] for n, s in timings.items()], (1,))


def _open(name: str) -> str:
    return (
        "<h2>Open it</h2><p>Drag <code>"
        f"{escape(name)}_classes.tif</code> and <code>{escape(name)}.gpkg</code> into QGIS (3.22 or newer) or add them in ArcGIS: classes are named and "
        "coloured, layers styled, without a click.</p>"
    )
