"""Styles as text: small QML files that QGIS 3.22 and newer load without a click; category names for GDAL."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from geoseg.classes import ClassTable, Colour, LandClass

__all__ = [
    "classes_qml",
    "confidence_qml",
    "fill_qml",
    "line_classes_qml",
    "photo_qml",
    "point_qml",
    "raster_aux_xml",
    "raster_qml",
    "road_qml",
]

_DOUBT = (("#b2182b", 0), ("#ef8a62", 50), ("#fddbc7", 70), ("#e0e0e0", 85), ("#f7f7f7", 100))
"""Colours of confidence in per cent: red where the network is not sure, pale where it is."""


def raster_qml(table: ClassTable, opacity: float = 1.0) -> str:
    """Style of a class raster: its classes with their names and colours, nothing else; `opacity` 0 to 1."""
    entries = "".join(
        f'<paletteEntry value="{c.value}" color="{c.hex}" label={quoteattr(c.name)} alpha="255"/>'
        for c in table.classes
    )
    return _pipe(
        f'<rasterrenderer type="paletted" band="1" opacity="{opacity:g}" alphaBand="-1" nodataColor="">'
        f"<colorPalette>{entries}</colorPalette></rasterrenderer>"
    )


def confidence_qml() -> str:
    """Style of a confidence raster: red where it is low, pale where it is high."""
    items = "".join(f'<item value="{v}" color="{c}" alpha="255" label="{v} %"/>' for c, v in _DOUBT)
    return _pipe(
        '<rasterrenderer type="singlebandpseudocolor" band="1" opacity="1" alphaBand="-1" nodataColor="" '
        'classificationMin="0" classificationMax="100"><rastershader>'
        '<colorrampshader colorRampType="INTERPOLATED" classificationMode="1" clip="0" minimumValue="0" '
        f'maximumValue="100">{items}</colorrampshader></rastershader></rasterrenderer>'
    )


def photo_qml() -> str:
    """Style of a photo of 8 bits: its first three bands as red, green and blue, as they are."""
    return _pipe(
        '<rasterrenderer type="multibandcolor" redBand="1" greenBand="2" blueBand="3" opacity="1" alphaBand="-1" '
        'nodataColor=""/>'
    )


def _pipe(renderer: str) -> str:
    """The style document of a raster."""
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        f'<qgis version="3.22" styleCategories="Symbology"><pipe>{renderer}</pipe></qgis>\n'
    )


def raster_aux_xml(table: ClassTable, counts: dict[int, int]) -> str:
    """`.aux.xml` of a class raster: category names, and an attribute table as GDAL, QGIS 3.30 and ArcGIS define it.

    Args:
        table: the classes.
        counts: pixels by class value; none: the table has no column for them.
    """
    top = max(table.values)
    names = {c.value: c.name for c in table.classes}
    categories = "".join(f"<Category>{_text(names.get(v, ''))}</Category>" for v in range(top + 1))
    fields = (
        ("Value", 0, 5),
        ("Class", 2, 2),
        ("Red", 0, 6),
        ("Green", 0, 7),
        ("Blue", 0, 8),
        ("Alpha", 0, 9),
        *([("Count", 1, 1)] if counts else []),
    )
    columns = "".join(
        f'<FieldDefn index="{i}"><Name>{n}</Name><Type>{t}</Type><Usage>{u}</Usage></FieldDefn>'
        for i, (n, t, u) in enumerate(fields)
    )
    rows = "".join(
        f'<Row index="{i}">' + "".join(f"<F>{_text(str(v))}</F>" for v in _row(c, counts)) + "</Row>"
        for i, c in enumerate(table.classes)
    )
    return (
        f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{categories}</CategoryNames>'
        f'<GDALRasterAttributeTable tableType="thematic">{columns}{rows}</GDALRasterAttributeTable>'
        "</PAMRasterBand></PAMDataset>\n"
    )


def _row(c: LandClass, counts: dict[int, int]) -> list[object]:
    """Cells of one class; the pixel count only where it is known."""
    return [c.value, c.name, *c.drawn, 255, *([counts.get(c.value, 0)] if counts else [])]


def _text(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fill_qml(
    fill: Colour, *, alpha: int = 110, outline: Colour = (60, 60, 60), width: float = 0.26, smallest_scale: int = 0
) -> str:
    """Style of a polygon layer: one fill, one outline (millimetres), shown from 1 : `smallest_scale` on (0: always)."""
    symbol = _fill_symbol("0", fill, alpha, outline, width)
    return _qml(_single(symbol), smallest_scale)


def _fill_symbol(name: str, fill: Colour, alpha: int, outline: Colour, width: float) -> str:
    options = {
        "color": ",".join(map(str, (*fill, alpha))),
        "outline_color": ",".join(map(str, (*outline, 255))),
        "outline_style": "solid",
        "outline_width": f"{width:g}",
        "outline_width_unit": "MM",
        "style": "solid" if alpha else "no",
    }
    return (
        f'<symbol type="fill" name="{name}" alpha="1" clip_to_extent="1">'
        '<layer class="SimpleFill" enabled="1" pass="0" locked="0">'
        f'<Option type="Map">{_rows(options)}</Option></layer></symbol>'
    )


def _rows(options: dict[str, str]) -> str:
    return "".join(f'<Option type="QString" name="{k}" value="{v}"/>' for k, v in options.items())


def classes_qml(column: str, classes: list[tuple[str, Colour]], *, alpha: int, smallest_scale: int = 0) -> str:
    """Style of a polygon layer with one fill for each value of a column, shown from 1 : `smallest_scale` on."""
    symbols = [
        _fill_symbol(str(i), colour, alpha, (int(colour[0] * 0.55), int(colour[1] * 0.55), int(colour[2] * 0.55)), 0.16)
        for i, (_, colour) in enumerate(classes)
    ]
    return _categories(column, [name for name, _ in classes], symbols, smallest_scale)


def line_classes_qml(column: str, classes: list[tuple[str, Colour]], *, width: float) -> str:
    """Style of a line layer with one colour for each value of a column, and a width in millimetres."""
    symbols = [
        f'<symbol type="line" name="{i}" alpha="1" clip_to_extent="1">{_line(colour, width)}</symbol>'
        for i, (_, colour) in enumerate(classes)
    ]
    return _categories(column, [name for name, _ in classes], symbols)


def _line(colour: Colour, width: float, more: str = "") -> str:
    """A line of a symbol, so many millimetres wide, round at its ends; `more`: properties that hang on attributes."""
    options = {
        "line_color": ",".join(map(str, (*colour, 255))),
        "line_style": "solid",
        "line_width": f"{width:g}",
        "line_width_unit": "MM",
        "capstyle": "round",
        "joinstyle": "round",
    }
    return (
        '<layer class="SimpleLine" enabled="1" pass="0" locked="0">'
        f'<Option type="Map">{_rows(options)}</Option>{more}</layer>'
    )


def _categories(column: str, names: list[str], symbols: list[str], smallest_scale: int = 0) -> str:
    """A style with one symbol for each value of a column."""
    categories = "".join(
        f'<category symbol="{i}" value={quoteattr(name)} label={quoteattr(name)} render="true" type="string"/>'
        for i, name in enumerate(names)
    )
    return _qml(
        f'<renderer-v2 type="categorizedSymbol" attr={quoteattr(column)}><categories>{categories}</categories>'
        f"<symbols>{''.join(symbols)}</symbols></renderer-v2>",
        smallest_scale,
    )


def _qml(renderer: str, smallest_scale: int = 0) -> str:
    """A style document; features are drawn from 1 : `smallest_scale` on (0: at any scale)."""
    scale = f' hasScaleBasedVisibilityFlag="1" minScale="{smallest_scale}" maxScale="0"' if smallest_scale else ""
    categories = "Symbology|Rendering" if smallest_scale else "Symbology"
    return f'<qgis version="3.22" styleCategories="{categories}"{scale}>{renderer}</qgis>'


def _single(symbol: str) -> str:
    return f'<renderer-v2 type="singleSymbol"><symbols>{symbol}</symbols></renderer-v2>'


def _from_field(name: str, expression: str) -> str:
    """A property of a symbol that is computed from each feature's attributes."""
    return (
        '<data_defined_properties><Option type="Map"><Option type="QString" name="name" value=""/>'
        f'<Option type="Map" name="properties"><Option type="Map" name="{name}">'
        '<Option type="bool" name="active" value="true"/>'
        f'<Option type="QString" name="expression" value={quoteattr(expression)}/>'
        '<Option type="int" name="type" value="3"/></Option></Option>'
        '<Option type="QString" name="type" value="collection"/></Option></data_defined_properties>'
    )


def point_qml(colour: Colour, size: float, *, smallest_scale: int = 0) -> str:
    """Style of a point layer: one round marker of a size in millimetres, shown from 1 : `smallest_scale` on."""
    options = {
        "name": "circle",
        "color": ",".join(map(str, (*colour, 255))),
        "outline_style": "no",
        "size": f"{size:g}",
        "size_unit": "MM",
    }
    symbol = (
        '<symbol type="marker" name="0" alpha="1" clip_to_extent="1">'
        '<layer class="SimpleMarker" enabled="1" pass="0" locked="0">'
        f'<Option type="Map">{_rows(options)}</Option></layer></symbol>'
    )
    return _qml(_single(symbol), smallest_scale)


def road_qml(fill: Colour, casing: Colour, width_field: str) -> str:
    """Style of road lines: a casing and a fill, wider where the road is, round at their ends.

    0.4 to 1.6 mm at 1 : 2 500 and closer; thinner on smaller maps, of which they would hide the most.
    """
    width = f'scale_linear(coalesce("{width_field}", 4), 3, 15, 0.4, 1.6)'
    thinner = "max(0.2, min(1, 2500 / coalesce(@map_scale, 2500)))"
    layers = "".join(
        _line(colour, 0.7 + more, _from_field("outlineWidth", f"({width} + {more:g}) * {thinner}"))
        for colour, more in ((casing, 0.4), (fill, 0.0))
    )
    return _qml(_single(f'<symbol type="line" name="0" alpha="1" clip_to_extent="1">{layers}</symbol>'))
