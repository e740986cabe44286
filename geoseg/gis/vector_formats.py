"""Vector layers in other formats beside the GeoPackage: one file for each layer, all or nothing; and a database."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import geopandas
import pyogrio

from geoseg.commit import commit_bytes, commit_file
from geoseg.errors import EnvironmentFault, UsageError
from geoseg.gis.databases.connection import POSTGIS, check_package
from geoseg.gis.databases.postgis import check_server
from geoseg.gis.geopackage import Layer

__all__ = ["FORMATS", "POSTGIS", "check_formats", "write_layers"]

Frame: TypeAlias = geopandas.GeoDataFrame


def _flatgeobuf(path: Path, layer: Layer, frame: Frame) -> None:
    _dump(path, frame, driver="FlatGeobuf", layer=layer.name, geometry_type=layer.geometry_type)


def _geojson(path: Path, layer: Layer, frame: Frame) -> None:
    """RFC 7946: degrees, seven decimals (1 cm)."""
    _dump(path, _degrees(frame), driver="GeoJSON", layer=layer.name, layer_options={"RFC7946": "YES"})


def _pmtiles(path: Path, layer: Layer, frame: Frame) -> None:
    """Vector tiles for web maps, zoom 12 to 18."""
    options = {"MINZOOM": "12", "MAXZOOM": "18", "NAME": layer.name, "DESCRIPTION": layer.description}
    _dump(path, _degrees(frame), driver="PMTiles", layer=layer.name, dataset_options=options)


def _parquet(path: Path, layer: Layer, frame: Frame) -> None:
    """GeoParquet 1.1: a box for each feature, by which readers leave out what lies elsewhere."""
    frame.to_parquet(path, index=False, write_covering_bbox=True)


def _degrees(frame: Frame) -> Frame:
    """The features in WGS 84; unchanged where they have no CRS."""
    return frame.to_crs(4326) if frame.crs is not None else frame


def _dump(path: Path, frame: Frame, **options: object) -> None:
    """Write a file with GDAL."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*different CRS.*")
        pyogrio.write_dataframe(frame, path, **options)


FORMATS: dict[str, tuple[str, Callable[[Path, Layer, Frame], None]]] = {
    "fgb": (".fgb", _flatgeobuf),
    "geojson": (".geojson", _geojson),
    "parquet": (".parquet", _parquet),
    "pmtiles": (".pmtiles", _pmtiles),
}
"""Formats of files by name: suffix and writer."""


def check_formats(names: tuple[str, ...], outputs: str = "", run: str = "") -> None:
    """Check the names given for `--vector-format`, before anything is computed.

    Args:
        names: of formats.
        outputs: start of the output names; "" where no database is to be asked yet whether it can take them.
        run: identity of the run, "" for one that is still to be planned.

    Raises:
        UsageError: an unknown format, or one whose library is not installed.
        EnvironmentFault: the database cannot take them.
    """
    for name in names:
        if name not in (*FORMATS, POSTGIS):
            choices = ", ".join((*FORMATS, POSTGIS))
            raise UsageError("--vector-format", f"there is no format {name!r}", f"choose from {choices}")
        if name == POSTGIS:
            check_package()
            if outputs:
                check_server(outputs, run)
        if name == "parquet" and find_spec("pyarrow") is None:
            raise UsageError("--vector-format parquet", "needs pyarrow", "pip install 'geoseg[parquet]'")


def write_layers(stem: Path, layers: list[Layer], names: tuple[str, ...]) -> list[Path]:
    """Write STEM_LAYER.SUFFIX for each layer and format, and the `.qml` that QGIS looks for; empty layers are left out.

    Args:
        stem: path of the files without layer and suffix.
        layers: what to write.
        names: of formats; those that are not in `FORMATS` are no files.

    Returns:
        The files, sorted.

    Raises:
        EnvironmentFault: a file could not be written, or lost features on the way.
    """
    files = []
    for name in [n for n in names if n in FORMATS]:
        suffix, write = FORMATS[name]
        for layer in layers:
            if not len(layer.frame):
                continue
            path = stem.with_name(f"{stem.name}_{layer.name}{suffix}")
            _commit(path, layer, write)
            files.append(path)
            if name in ("fgb", "geojson"):
                commit_bytes(path.with_suffix(".qml"), layer.qml.encode())
                files.append(path.with_suffix(".qml"))
    return sorted(set(files))


def _commit(path: Path, layer: Layer, write: Callable[[Path, Layer, Frame], None]) -> None:
    """Write a layer, check the file, and give it its name."""

    def write_to(temporary: Path) -> None:
        try:
            write(temporary, layer, layer.frame)
        except RuntimeError as error:  # pyogrio's errors are RuntimeErrors
            cure = "free some disk space, then run it again"
            raise EnvironmentFault(path, f"cannot be written: {error}", cure) from error

    commit_file(path, write_to, lambda temporary: _check(temporary, layer))


def _check(path: Path, layer: Layer) -> None:
    """Raise if a file holds another number of features than went in; tiles hold pieces, so they are only opened."""
    if path.suffix == ".pmtiles":
        pyogrio.list_layers(path)
        return
    if path.suffix == ".parquet":
        count = len(geopandas.read_parquet(path))
    else:
        count = int(pyogrio.read_info(path, force_feature_count=True)["features"])
    if count != len(layer.frame):
        raise EnvironmentFault(
            path, f"holds {count} of {len(layer.frame)} features of {layer.name}", "check the disk, then run it again"
        )
