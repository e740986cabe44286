"""A run as HTML, for notebooks: picture, areas, files."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoseg.runfolder.folder import Run

__all__ = ["run_html"]


def run_html(run: Run) -> str:
    """A run as HTML; one without a finished mosaic shows its name only."""
    head = f"<b>geoseg run</b> {html.escape(str(run.folder))}"
    if not run.run_json.exists():
        return f"<p>{head}: not finished</p>"
    rows = "".join(f"<tr><td>{html.escape(n)}</td><td>{a:,.0f} m²</td></tr>" for n, a in run.areas.items())
    files = ", ".join(html.escape(Path(f).name) for f in run.finished["files"] if f.count("/") == 1)
    return f"<p>{head}</p>{_picture(run)}<table>{rows}</table><p>{files}</p>"


def _picture(run: Run) -> str:
    """The first picture of the report, as HTML; "" where there is no report."""
    report = run.out / "report.html"
    found = re.search(r'<img[^>]*src="(data:image/[^"]+)"', report.read_text()) if report.exists() else None
    return f'<img src="{found.group(1)}" style="max-width:100%">' if found else ""
