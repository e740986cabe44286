"""The page of a web map, in two forms: a folder for web servers, or one file with everything in it.

What the page shows is JSON, which its script writes as text; no part of it is ever read as HTML. A content security
policy allows its own scripts and files, and nothing else: no network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from geoseg.arrays import Json
from geoseg.commit import commit_bytes

__all__ = ["FORM", "LICENCES", "inlined_size", "one_file", "pointer_page", "write_folder"]

STYLES = ("vendor/maplibre-gl.css", "pages/map.css")
SCRIPTS = ("vendor/maplibre-gl.js", "vendor/pmtiles.js", "pages/map.js")
LICENCES = ("MapLibre GL JS", "vendor/LICENSE-maplibre-gl.txt"), ("pmtiles", "vendor/LICENSE-pmtiles.txt")
FORM = 2
"""Raised when the page or its tiles change, so that maps of earlier versions are made anew."""

_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {styles}; img-src data: blob:; connect-src {reach};"
    " worker-src blob:; child-src blob:; base-uri 'none'; form-action 'none'"
)


def _text(name: str) -> str:
    """A file of this package."""
    return files("geoseg.gis.web_map").joinpath(*name.split("/")).read_text(encoding="utf-8")


def _licences() -> str:
    return "\n\n".join(f"{name}\n\n{_text(file)}" for name, file in LICENCES)


def write_folder(folder: Path, facts: Json) -> None:
    """Write the page and its scripts beside the tiles; the page is index.html.

    Args:
        folder: holds the archives that `facts` names.
        facts: what the page shows.
    """
    for name in (*STYLES, *SCRIPTS):
        commit_bytes(folder / Path(name).name, _text(name).encode())
    commit_bytes(folder / "LICENSES.txt", _licences().encode())
    page = _page(
        {**facts, "inside": False},
        _POLICY.format(scripts="'self'", styles="'self'", reach="'self'"),
        "".join(f'<link rel="stylesheet" href="{Path(n).name}">' for n in STYLES),
        "".join(f'<script src="{Path(n).name}"></script>' for n in SCRIPTS),
    )
    commit_bytes(folder / "index.html", page.encode())


def inlined_size(archives: Sequence[Path]) -> int:
    """Bytes of a page that holds these archives, but for what it says of them."""
    own = sum(len(_text(n).encode()) for n in (*STYLES, *SCRIPTS))
    return own + sum(-(-p.stat().st_size // 3) * 4 for p in archives)


def one_file(archives: Sequence[Path], facts: Json) -> bytes:
    """The page with scripts, styles and tiles in it.

    Args:
        archives: the files that `facts` names.
        facts: what the page shows.
    """
    styles = [_text(n) for n in STYLES]
    scripts = [_text(n) for n in SCRIPTS]
    blocks = "".join(
        f'<script type="text/plain" id="file-{escape(p.name)}">{base64.b64encode(p.read_bytes()).decode()}</script>\n'
        for p in archives
    )
    return _page(
        {**facts, "inside": True},
        _POLICY.format(scripts=_hashes(scripts), styles=_hashes(styles), reach="'none'"),
        "".join(f"<style>{s}</style>" for s in styles),
        blocks + "".join(f"<script>{s}</script>" for s in scripts),
    ).encode()


def pointer_page(title: str, folder: str, serve: str, port: int) -> bytes:
    """A small page beside a folder: goes on to the map with the place that its own address names.

    Args:
        title: of the map.
        folder: its name.
        serve: the command that serves it.
        port: where that serves by default.
    """
    target = json.dumps(f"{folder}/index.html").replace("<", "\\u003c")
    script = (
        f"const to=location.protocol==='file:'?'http://127.0.0.1:{port}/':{target};"
        "const a=document.querySelector('a');a.href=to+location.hash;"
        "if(location.protocol!=='file:')location.replace(a.href);"
    )
    policy = f"default-src 'none'; script-src {_hashes([script])}; style-src 'unsafe-inline'; base-uri 'none'"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="Content-Security-Policy"'
        f' content="{policy}"><title>{escape(title)}</title><style>body{{font:16px/1.5 system-ui,sans-serif;'
        "max-width:34em;margin:12vh auto;padding:0 1em;color:#1d2528}pre{background:#eceeec;padding:.8em 1em;"
        "border-radius:7px;white-space:pre-wrap}a{color:#0b6e69}</style><body>"
        f"<h1>{escape(title)}</h1><p>The map needs a server, since its tiles are read in parts. This one serves it to"
        f" this machine alone:</p><pre>{escape(serve)}</pre><p>Then <a>open this place of the map</a>.</p>"
        f"<script>{script}</script></body></html>\n"
    ).encode()


def _hashes(texts: Sequence[str]) -> str:
    """Sources of a policy that allow these texts alone."""
    sums = [base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in texts]
    return " ".join(f"'sha256-{s}'" for s in sums)


def _page(facts: Json, policy: str, styles: str, scripts: str) -> str:
    """The page with all of its parts, each put in once: no part can name another."""
    data = json.dumps(facts, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    parts = {
        "POLICY": policy,
        "TITLE": escape(str(facts["title"])),
        "STYLES": styles,
        "DATA": data,
        "LICENCES": _licences(),
        "SCRIPTS": scripts,
    }
    return re.sub(r"%([A-Z]+)%", lambda found: parts[found[1]], _text("pages/map.html"))
