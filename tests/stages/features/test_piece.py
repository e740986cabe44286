"""The coverage of a piece, with buildings squared in it."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.transform import Affine


def test_buildings_that_cannot_be_set_into_the_coverage_keep_their_outlines(monkeypatch, caplog) -> None:
    """Whatever goes wrong with squaring, the land cover stays clean, and `status` says what the buildings are."""
    from geoseg.classes import ISPRS
    from geoseg.options import MosaicOptions
    from geoseg.stages.features import outline
    from geoseg.stages.features.memory import array_raster, features_of

    raster = np.full((120, 160), 2, np.uint8)
    raster[30:80, 40:120] = 1
    place = array_raster(raster, Affine(0.1, 0, 368000, 0, -0.1, 5808000), "EPSG:25833", ISPRS)
    options = MosaicOptions(layers=("landcover", "buildings"))

    def broken(*_: object) -> None:
        raise ValueError("no luck")

    squared = features_of(place, options)
    monkeypatch.setattr(outline, "set_into", broken)
    plain = features_of(place, options)
    assert "no luck" in caplog.text
    for (cover, buildings), status in ((squared, "squared"), (plain, "simplified")):
        assert buildings.frame["status"].tolist() == [status]
        assert buildings.frame["area_m2"].iloc[0] == pytest.approx(40, rel=0.02)
        assert cover.frame.area.sum() == pytest.approx(raster.size * 0.01)
        assert cover.frame.is_valid.all()
