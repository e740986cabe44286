"""Orthophotos to seamless class rasters and polygons: tile, infer, mosaic.

    import geoseg

    run = geoseg.run("sheets/", "run/", model="potsdam.safetensors")
    run.layer("buildings")

Names are imported when they are first used, so `import geoseg` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geoseg.api import changes, demo, evaluate, infer, mosaic, run, tile, train, verify, view
    from geoseg.classes import ISPRS, ClassTable, LandClass
    from geoseg.errors import GeosegError
    from geoseg.in_memory import Network, features, load_model
    from geoseg.runfolder.folder import Run

__all__ = [
    "ISPRS",
    "ClassTable",
    "GeosegError",
    "LandClass",
    "Network",
    "Run",
    "__version__",
    "changes",
    "demo",
    "evaluate",
    "features",
    "infer",
    "load_model",
    "mosaic",
    "run",
    "tile",
    "train",
    "verify",
    "view",
]

_PLACES = {
    "ISPRS": "geoseg.classes",
    "ClassTable": "geoseg.classes",
    "LandClass": "geoseg.classes",
    "GeosegError": "geoseg.errors",
    "Network": "geoseg.in_memory",
    "features": "geoseg.in_memory",
    "load_model": "geoseg.in_memory",
    "Run": "geoseg.runfolder.folder",
}
__version__: str


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("geoseg")
    if name not in __all__:
        raise AttributeError(f"module 'geoseg' has no attribute {name!r}")
    return getattr(import_module(_PLACES.get(name, "geoseg.api")), name)


def __dir__() -> list[str]:
    return sorted(__all__)
