"""A QGIS project of a run: one file to double-click, with all layers in place, named, styled and in order."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from pyproj import CRS

__all__ = ["ProjectLayer", "qgis_project"]


@dataclass(frozen=True)
class ProjectLayer:
    """One layer of the project.

    Attributes:
        name: as the layer tree shows it.
        source: its file, relative to the project.
        kind: "vector" or "raster".
        qml: its style.
        geometry: geometry type of a vector layer.
        shown: whether it is shown at first.
    """

    name: str
    source: str
    kind: str
    qml: str
    geometry: str = ""
    shown: bool = True

    @property
    def id(self) -> str:
        """Its name in the project file."""
        return re.sub(r"\W", "_", f"{self.name}_{self.kind}")


def qgis_project(name: str, crs: str, bounds: tuple[float, float, float, float], layers: list[ProjectLayer]) -> bytes:
    """A `.qgz` for QGIS 3.22 and newer; equal input gives equal bytes.

    Args:
        name: of the project.
        crs: WKT.
        bounds: left, bottom, right, top of the view.
        layers: from the top down.
    """
    system = _system(crs)
    tree = "".join(
        f'<layer-tree-layer id="{layer.id}" name={quoteattr(layer.name)} source={quoteattr(layer.source)} '
        f'providerKey="{_provider(layer)}" checked="{"Qt::Checked" if layer.shown else "Qt::Unchecked"}" '
        'expanded="0"><customproperties/></layer-tree-layer>'
        for layer in layers
    )
    left, bottom, right, top = bounds
    extent = f"<extent><xmin>{left!r}</xmin><ymin>{bottom!r}</ymin><xmax>{right!r}</xmax><ymax>{top!r}</ymax></extent>"
    text = (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        f'<qgis version="3.22.0" projectname={quoteattr(name)}><title>{escape(name)}</title>'
        f"<projectCrs>{system}</projectCrs><layer-tree-group><customproperties/>{tree}</layer-tree-group>"
        f'<mapcanvas name="theMapCanvas" annotationsVisible="1"><units>meters</units>{extent}<rotation>0</rotation>'
        f"<destinationsrs>{system}</destinationsrs></mapcanvas>"
        f"<projectlayers>{''.join(_layer(layer, system) for layer in layers)}</projectlayers>"
        '<properties><Paths><Absolute type="bool">false</Absolute></Paths>'
        '<SpatialRefSys><ProjectionsEnabled type="int">1</ProjectionsEnabled></SpatialRefSys></properties></qgis>\n'
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{name}.qgs", (2000, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


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
