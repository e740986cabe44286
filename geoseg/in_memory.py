"""Images and class rasters in memory: a network over an image, feature layers of an array. No run folder is needed.

image -> patches -> network -> blended scores -> classes, confidence -> feature layers
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from geoseg.arrays import Bytes
from geoseg.classes import ClassTable
from geoseg.keywords import MosaicKeywords
from geoseg.options import MosaicOptions
from geoseg.request import stage_options

if TYPE_CHECKING:
    import geopandas

    from geoseg.models.card import Card
    from geoseg.models.files import ModelFile

__all__ = ["Network", "features", "load_model"]


def load_model(path: str | os.PathLike[str] | None = None) -> Network:
    """A network, ready for images in memory.

    Args:
        path: any model file that geoseg reads; by default the shipped network.

    Raises:
        ModelError: not there, not a model, or without a card.

    Example:
        >>> geoseg.load_model().classes.classes[1].name
        'building'
    """
    from geoseg.models.files import load_model as load
    from geoseg.models.files import shipped_model

    return Network(load(shipped_model() if path is None else Path(path)))


@dataclass(frozen=True)
class Network:
    """A network with its card; `segment` runs it over an image."""

    model: ModelFile

    @property
    def card(self) -> Card:
        """What it needs and what is known about it."""
        return self.model.card

    @property
    def classes(self) -> ClassTable:
        """What the values of its classes mean."""
        return self.card.classes

    def __repr__(self) -> str:
        card = self.card
        return f"<geoseg network {card.name!r}: {', '.join(card.bands)} at {card.gsd:g} m, {len(card.classes)} classes>"

    @cached_property
    def _network(self) -> Any:
        from geoseg.models.load import build_network

        return build_network(self.model)

    def segment(
        self, image: Any, *, gsd: float | None = None, device: str = "auto", tta: str = "none"
    ) -> tuple[Bytes, Bytes]:
        """Classes and confidence of an image, blended as `geoseg infer` does it.

        Args:
            image: array (C, H, W) of the bands that the network wants, an open rasterio dataset, or a DataArray of
                xarray.
            gsd: metres on the ground per pixel; by default the dataset's, else the network's own.
            device: auto, cpu or cuda[:N].
            tta: test-time augmentation: none, flip or d4.

        Returns:
            Class values (H, W) and confidence in per cent (H, W), both uint8, 255 where the image has no data.

        Raises:
            UsageError: an image that is none, or with too few bands. ModelError: a network that cannot be run.

        Example:
            >>> image = np.zeros((3, 64, 64), np.uint8)
            >>> classes, confidence = geoseg.load_model().segment(image)
            >>> classes.shape, classes.dtype.name
            ((64, 64), 'uint8')
        """
        from geoseg.predict.build import default_lanes
        from geoseg.predict.lattice import snapped_ratio
        from geoseg.predict.region import predict_region, region_backend, region_lattice
        from geoseg.sheets.arrays import image_source

        source = image_source(image, len(self.card.bands))
        size = gsd or source.gsd
        ratio = Fraction(1) if size is None else snapped_ratio(size, self.card)
        out = np.full((2, *source.shape), 255, np.uint8)
        values = np.full(256, 255, np.uint8)
        values[: len(self.classes)] = self.classes.values

        def take(window: Any, classes: Bytes, confidence: Bytes) -> None:
            rows = slice(int(window.row_off), int(window.row_off) + len(classes))
            out[0, rows], out[1, rows] = values[classes], confidence

        backend = region_backend(self._network, self.card, ratio, device=device, lanes=default_lanes(), tta=tta)
        try:
            predict_region(source.read, source.window, region_lattice(self.card, ratio), backend, take)
        finally:
            backend.close()
        return out[0], out[1]


def features(
    classes: Bytes,
    transform: Any,
    crs: Any,
    table: ClassTable,
    confidence: Bytes | None = None,
    contact: Bytes | None = None,
    **options: Unpack[MosaicKeywords],
) -> dict[str, geopandas.GeoDataFrame]:
    """Feature layers of a class raster in memory; nothing is written.

    Args:
        classes: values (H, W) uint8, 255 without data.
        transform: affine, north-up; its pixels may differ by 1 % in width and height.
        crs: projected, in anything that rasterio takes.
        table: what the values mean.
        confidence: per cent (H, W) uint8; 100 everywhere by default.
        contact: per cent (H, W) uint8 at which buildings meet; without it attached houses are one building.
        options: those of `geoseg mosaic` that concern layers: layers, min_area, simplify, square, houses, all_cars.

    Returns:
        A GeoDataFrame by layer: landcover, buildings, roads, road_centrelines, trees, tree_points, cars.

    Raises:
        UsageError: a transform or CRS that no metres can be measured in, or values that the table lacks.

    Example:
        >>> classes = np.full((200, 200), 2, np.uint8)
        >>> classes[50:150, 50:150] = 1
        >>> place = rasterio.Affine(0.1, 0, 367000, 0, -0.1, 5807000)
        >>> layers = geoseg.features(classes, place, "EPSG:25833", geoseg.ISPRS)
        >>> round(layers["buildings"].area.sum())
        100
    """
    from geoseg.stages.features.memory import array_raster, features_of

    raster = array_raster(np.asarray(classes, np.uint8), transform, crs, table, confidence, contact)
    found = features_of(raster, stage_options(MosaicOptions, options))
    return {layer.name: layer.frame for layer in found}
