"""A QGIS project of a run: one file to double-click, with all layers in place, named, styled and in order."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePath
from xml.sax.saxutils import escape, quoteattr

from pyproj import CRS

__all__ = ["ProjectLayer", "deeper", "place_beside", "qgis_project"]

MOST_OPEN = 12
"""Layers of a group that is open at first."""


@dataclass(frozen=True)
class ProjectLayer:
    """One layer of the project.

    Attributes:
        name: as the layer tree shows it.
        source: its file, as `place_beside` gives it.
        kind: "vector" or "raster".
        qml: its style.
        geometry: geometry type of a vector layer.
        shown: whether it is shown at first.
        group: the group of the layer tree that it lies in; layers of one group follow each other.
        crs: WKT of its own; "" for that of the project.
    """

    name: str
    source: str
    kind: str
    qml: str
    geometry: str = ""
    shown: bool = True
    group: str = ""
    crs: str = ""

    @property
    def id(self) -> str:
        """Its name in the project file."""
        digest = hashlib.sha256(self.source.encode()).hexdigest()[:8]  # two photos may have one name
        return re.sub(r"\W", "_", f"{self.name}_{self.kind}_{digest}")


def place_beside(file: Path, project: Path) -> str:
    """A file as QGIS writes it into a project with relative paths, so that a folder with both of them may be moved.

    As `QgsPathResolver::writePath` of QGIS 3: relative where the first folder of both paths is the same one, else (also
    on another drive) absolute.

    Args:
        file: the file.
        project: the folder in which the project lies.
    """
    return _from(file.resolve(), project.resolve()) or str(file)


def _from(there: PurePath, here: PurePath) -> str:
    """The way to a file out of a folder, "" where they share no folder; both are absolute."""
    if there.anchor != here.anchor or there.parts[1:2] != here.parts[1:2]:
        return ""
    shared = next((n for n, (a, b) in enumerate(zip(there.parts, here.parts, strict=False)) if a != b), len(here.parts))
    return "/".join([*([".."] * (len(here.parts) - shared) or ["."]), *there.parts[shared:]])


def deeper(project: bytes) -> bytes:
    """A project for a folder inside of that which it was made for; what lies beside it comes along.

    Args:
        project: what `qgis_project` gave.
    """
    with zipfile.ZipFile(io.BytesIO(project)) as archive:
        (name,) = archive.namelist()
        text = archive.read(name).decode()
    return _packed(name, re.sub(r"""(<datasource>|\ssource=["'])\.\./""", r"\1../../", text))


def qgis_project(name: str, crs: str, bounds: tuple[float, float, float, float], layers: list[ProjectLayer]) -> bytes:
    """A `.qgz` for QGIS 3.22 and newer; equal input gives equal bytes.

    Args:
        name: of the project.
        crs: WKT.
        bounds: left, bottom, right, top of the view.
        layers: from the top down.
    """
    system = _system(crs)
    tree = "".join(_branch(group, list(found)) for group, found in groupby(layers, lambda layer: layer.group))
    left, bottom, right, top = bounds
    extent = f"<extent><xmin>{left!r}</xmin><ymin>{bottom!r}</ymin><xmax>{right!r}</xmax><ymax>{top!r}</ymax></extent>"
    view = f'xmin="{left!r}" ymin="{bottom!r}" xmax="{right!r}" ymax="{top!r}"'
    text = (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        f'<qgis version="3.22.0" projectname={quoteattr(name)}><title>{escape(name)}</title>'
        f"<projectCrs>{system}</projectCrs><layer-tree-group><customproperties/>{tree}</layer-tree-group>"
        f'<mapcanvas name="theMapCanvas" annotationsVisible="1"><units>meters</units>{extent}<rotation>0</rotation>'
        f"<destinationsrs>{system}</destinationsrs></mapcanvas>"
        f"<projectlayers>{''.join(_layer(layer, _system(layer.crs or crs)) for layer in layers)}</projectlayers>"
        f"<ProjectViewSettings><Scales/><DefaultViewExtent {view}>{system}</DefaultViewExtent></ProjectViewSettings>"
        '<properties><Paths><Absolute type="bool">false</Absolute></Paths>'
        '<SpatialRefSys><ProjectionsEnabled type="int">1</ProjectionsEnabled></SpatialRefSys></properties></qgis>\n'
    )
    return _packed(f"{name}.qgs", text)


def _packed(name: str, text: str) -> bytes:
    """The archive of one file that a `.qgz` is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


def _branch(group: str, layers: list[ProjectLayer]) -> str:
    """A group of the layer tree, closed where nothing of it is shown; layers without a group lie at the top."""
    leaves = "".join(
        f'<layer-tree-layer id="{layer.id}" name={quoteattr(layer.name)} source={quoteattr(layer.source)} '
        f'providerKey="{_provider(layer)}" checked="{_check(layer.shown)}" expanded="0"><customproperties/>'
        "</layer-tree-layer>"
        for layer in layers
    )
    if not group:
        return leaves
    shown = any(layer.shown for layer in layers)
    open_ = int(shown and len(layers) <= MOST_OPEN)
    head = f'<layer-tree-group name={quoteattr(group)} checked="{_check(shown)}" expanded="{open_}">'
    return f"{head}<customproperties/>{leaves}</layer-tree-group>"


def _check(shown: bool) -> str:
    return "Qt::Checked" if shown else "Qt::Unchecked"


def _system(crs: str) -> str:
    """The CRS as QGIS writes it: WKT, and the code if it has one."""
    system = CRS.from_wkt(crs)
    code = system.to_authority()
    authority = f"<authid>{':'.join(code)}</authid>" if code else ""
    return f"<spatialrefsys><wkt>{escape(system.to_wkt())}</wkt>{authority}</spatialrefsys>"


def _provider(layer: ProjectLayer) -> str:
    return "ogr" if layer.kind == "vector" else "gdal"


def _layer(layer: ProjectLayer, system: str) -> str:
    """One layer with the body of its style."""
    style = re.search(r"<qgis([^>]*)>(.*)</qgis>", layer.qml, re.DOTALL)
    head, body = (style[1], style[2]) if style else ("", "")
    scale = " ".join(re.findall(r'(?:hasScaleBasedVisibilityFlag|minScale|maxScale)="[^"]*"', head))
    geometry = f' geometry="{layer.geometry}"' if layer.geometry else ""
    return (
        f'<maplayer type="{layer.kind}"{geometry} {scale}><id>{layer.id}</id>'
        f"<datasource>{escape(layer.source)}</datasource>"
        f"<layername>{escape(layer.name)}</layername><srs>{system}</srs>"
        f'<provider encoding="UTF-8">{_provider(layer)}</provider>{body}</maplayer>'
    )
