"""Statements laid on pixels: what counts more, and what takes nothing away."""

from __future__ import annotations

from itertools import permutations

import geopandas
import numpy as np
import pandas
import pytest
import shapely
from rasterio.transform import Affine

from geoseg.classes import ISPRS, NODATA
from geoseg.datasets.corrections.manifest import label_values
from geoseg.errors import UsageError
from geoseg.gis.answers.answers import Answers
from geoseg.stages.corrections.labels import burn
from geoseg.stages.corrections.statements import Statement, statements_of

VALUES = label_values(ISPRS)
PLACE = Affine(1, 0, 0, 0, -1, 10)
CLASSES = np.zeros((10, 10), np.uint8)
HERE, THERE = shapely.box(0, 0, 6, 10), shapely.box(4, 0, 10, 10)


def test_not_a_takes_nothing_from_b_but_everything_from_a() -> None:
    tree, no_tree, no_car = Statement(HERE, "tree"), Statement(THERE, "not tree"), Statement(THERE, "not car")
    labels = burn([tree, no_tree], VALUES, CLASSES, PLACE)[0]
    assert labels.tolist() == [VALUES["tree"]] * 4 + [VALUES["not tree"]] * 6
    labels = burn([tree, no_car], VALUES, CLASSES, PLACE)[0]
    assert labels.tolist() == [VALUES["tree"]] * 6 + [VALUES["not car"]] * 4
    assert burn([no_car, tree], VALUES, CLASSES, PLACE)[0].tolist() == labels.tolist()


def test_labels_of_a_part_are_part_of_the_labels() -> None:
    rng = np.random.default_rng(4)
    shapes = [shapely.Point(rng.uniform(0, 40, 2)).buffer(rng.uniform(1, 9)) for _ in range(12)]
    said = [Statement(s, n) for s, n in zip(shapes, [*VALUES][:12], strict=True)]
    whole = burn(said, VALUES, np.zeros((40, 40), np.uint8), Affine(1, 0, 0, 0, -1, 40))
    for row in (0, 13, 27):
        for col in (0, 13, 27):
            place = Affine(1, 0, col, 0, -1, 40 - row)
            part = burn(said, VALUES, np.zeros((13, 13), np.uint8), place)
            assert (part == whole[row : row + 13, col : col + 13]).all()


def test_a_judged_pixel_without_data_says_nothing() -> None:
    nowhere = np.full((10, 10), NODATA, np.uint8)
    assert (burn([Statement(HERE, "tree", alike=True)], VALUES, nowhere, PLACE) == NODATA).all()


def test_answers_to_other_maps_of_other_classes_are_counted_and_skipped() -> None:
    rows = [{**PLACE_ROW, "class": "barn", "round": 1}, {**PLACE_ROW, "id": "3", "run_id": "now", "round": 1}]
    edits = geopandas.GeoDataFrame([{**EDIT, "class": "barn", "round": 1}], geometry=[HERE])
    answers = Answers(geopandas.GeoDataFrame(rows, geometry=[HERE] * 2), edits)
    found, counts = statements_of(answers, ISPRS, "answers", "now")
    assert [s.said for s in found] == ["tree"]
    assert counts == {"of a class that this map lacks": 2, "ok": 1}
    with pytest.raises(UsageError, match="buildings 1 is said to be 'barn'"):
        statements_of(Answers(answers.review[:0], edits), ISPRS, "answers", "r")


EDIT = {"layer": "buildings", "id": "1", "edit": "added", "says": "is", "class": "building", "run_id": "r"}
PLACE_ROW = {"id": "2", "class": "tree", "sampled": False, "run_id": "r", "verdict": "ok", "should_be": None}


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_later_rounds_count_more_and_edits_more_than_verdicts_whatever_their_order(order: tuple[int, ...]) -> None:
    rows = [{**EDIT, "round": 1}, {**EDIT, "id": "3", "says": "is not", "edit": "deleted", "round": 1}]
    rows.append({**EDIT, "id": "4", "class": "car", "round": 2})
    edits = geopandas.GeoDataFrame(pandas.DataFrame([rows[i] for i in order]), geometry=[HERE] * 3)
    review = geopandas.GeoDataFrame([{**PLACE_ROW, "round": 1}], geometry=[HERE])
    found, counts = statements_of(Answers(review, edits), ISPRS, "answers")
    assert [s.said for s in found] == ["tree", "not building", "building", "car"]
    assert counts == {"ok": 1, "added": 2, "deleted": 1}
