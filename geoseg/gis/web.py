"""A map for the browser: one page with photo, classes and vector layers in it, without server or network.

The page (`pages/map.html`) is drawn by its own script: pan, zoom, switch layers on and off, click on things.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import TypeAlias

__all__ = ["WebFeature", "WebLayer", "WebMap", "web_map_html"]

WebFeature: TypeAlias = tuple[list[list[list[float]]], str, dict[str, object]]
"""Rings or lines in pixels of the picture, colour ("" for the layer's own), attributes."""


@dataclass(frozen=True)
class WebLayer:
    """A vector layer: name, stroke and fill in CSS, whether it is shown at first, geometry type, features."""

    name: str
    stroke: str
    fill: str
    shown: bool
    kind: str
    features: list[WebFeature]


@dataclass(frozen=True)
class WebMap:
    """Contents of the page.

    Attributes:
        title: of the page.
        photo: JPEG of the sheets.
        classes: PNG of the classes, transparent where there is no data.
        size: width and height of both in pixels, which are the units of the features.
        metres: on the ground along one of those pixels.
        layers: vector layers from the bottom up.
        legend: name and CSS colour of each class.
    """

    title: str
    photo: bytes
    classes: bytes
    size: tuple[int, int]
    metres: float
    layers: list[WebLayer]
    legend: list[tuple[str, str]]


def web_map_html(content: WebMap) -> str:
    """The page as HTML."""
    data = {
        "photo": _uri(content.photo, "image/jpeg"),
        "classes": _uri(content.classes, "image/png"),
        "width": content.size[0],
        "height": content.size[1],
        "metres": content.metres,
        "legend": [(escape(n), c) for n, c in content.legend],
        "layers": [vars(layer) for layer in content.layers],
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    page = files("geoseg.gis").joinpath("pages", "map.html").read_text(encoding="utf-8")
    return page.replace("%TITLE%", escape(content.title)).replace("%DATA%", text)


def _uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
