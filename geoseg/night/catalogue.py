"""The STAC catalog of the nights: out/catalog.json, one link for each published night.

Each night gets an item of its own, because the items of one catalog must have different ids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from geoseg.commit import commit_bytes, read_json
from geoseg.gis.project import deeper
from geoseg.gis.report import without_map
from geoseg.gis.stac import catalog, item_of_catalog, with_file
from geoseg.runfolder.folder import NIGHT_JSON, Run

__all__ = ["ITEM_END", "PROJECT_END", "REPORT", "own_item", "own_project", "own_report", "write_catalog"]

ITEM_END = ".stac.json"
PROJECT_END = ".qgz"
REPORT = "report.html"
_DESCRIPTION = "Published nights, the oldest first: classes of the ground from orthophotos, as rasters and polygons."


def own_project(project: Path) -> bytes:
    """The QGIS project of a run as that of one night, whose folder lies one further from the photos."""
    return deeper(project.read_bytes())


def own_report(report: Path) -> bytes:
    """The report of a run as that of one night: the web map, which shows the newest run alone, is not published."""
    return without_map(report.read_text("utf-8")).encode()


def own_item(run: Run, item: Path, night: str) -> bytes:
    """The STAC item of a run as that of one night: its id holds the night's name, and it names the catalog above it.

    Args:
        run: whose nights they are.
        item: NAME.stac.json of the run.
        night: the name of the night's folder.

    Raises:
        PlanError: there is no such item, or it is damaged.
    """
    value = read_json(item, "run geoseg mosaic again with --overwrite")
    for href in [a["href"] for a in value["assets"].values() if a["href"].endswith(PROJECT_END)]:
        data = own_project(item.parent / href)
        value = with_file(value, href, len(data), hashlib.sha256(data).hexdigest())
    return _bytes(item_of_catalog(value, night, f"../{run.catalog_json.name}"))


def write_catalog(run: Run, folders: Iterable[Path]) -> None:
    """Write out/catalog.json; the same nights give the same bytes, which are not written again.

    Args:
        run: whose nights they are. Its lock is held.
        folders: of the nights, the oldest first.

    Raises:
        EnvironmentFault: the disk refuses it.
    """
    items: dict[str, str] = {}
    for folder in folders:
        names = sorted(str(n) for n in read_json(folder / NIGHT_JSON)["files"] if n.endswith(ITEM_END))
        items |= {f"./{folder.name}/{Path(n).name}": folder.name for n in names}
    path = run.catalog_json
    name = run.folder.resolve().name
    data = _bytes(catalog(path.name, name, _DESCRIPTION, items))
    if not path.is_file() or path.read_bytes() != data:
        commit_bytes(path, data)


def _bytes(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
