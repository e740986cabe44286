"""Hostile and damaged inputs: each costs itself only, is named, and opens nothing else. Cases: `corpus.py`."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from corpus import CONFIGS, EITHER, MODELS, READ, REFUSED, SHEETS, spots

from geoseg.options import InferOptions, TileOptions
from geoseg.plan import plan_blocks
from geoseg.runfolder.blocks import BlockReader
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.tile.tile import tile


@pytest.fixture(scope="module")
def night(tmp_path_factory, truth_network, listener):
    """(spots, plan, reader) of one run over all sheets of the corpus and a right one."""
    folder = tmp_path_factory.mktemp("corpus")
    found = spots(folder, listener[0])
    found["good"].write(compress="deflate")
    for name, case in SHEETS.items():
        case.make(found[name])
    run = folder / "run"
    odd = sorted(p for p in (folder / "in").glob("*/*") if p.suffix == ".tif")
    places = (p for p in odd if not p.is_dir())
    tile(
        [*sorted((folder / "in").glob("*.tif")), *places, *(p.parent for p in odd if p.is_dir())],
        run,
        TileOptions(block_size=256),
    )
    infer(run, InferOptions(model=(truth_network,), engine="torch", precision="f32", threads=1))
    plan = Run(run).plan
    return found, plan, BlockReader(run / "blocks", plan, plan_blocks(plan))


@pytest.mark.parametrize("name", ["good", *SHEETS])
def test_each_sheet_costs_itself_only(night, name) -> None:
    found, plan, reader = night
    spot, case = found[name], SHEETS.get(name)
    outcome = case.outcome if case else READ
    read = [s for s in plan.sheets if os.path.dirname(s.path) == str(spot.path.parent)]
    refused = [q for q in plan.quarantined if os.path.dirname(q.path) == str(spot.path.parent)]
    assert len(read) + len(refused) == 1
    if outcome == REFUSED:
        assert refused, read
    if outcome == READ:
        assert read, refused
        window = read[0].window
        classes = reader.read(window)[0]
        assert np.array_equal(classes, spot.pixels[0, : window.height, : window.width])
    for sheet in refused:
        assert re.search(case.words, sheet.reason), sheet.reason
        assert sheet.cure


def test_nobody_was_called_and_nothing_was_run(night, listener, tmp_path) -> None:
    found = night[0]
    assert not listener[1]
    assert not list(found["good"].secret.parent.rglob("RAN"))


def test_bait_is_in_no_output(night) -> None:
    """All the bait's bytes are the digit 7, which no sheet holds."""
    _, plan, reader = night
    for sheet in plan.sheets:
        assert not (reader.read(sheet.window)[0] == ord("7")).any()
    assert {len(EITHER), len(READ)}  # the outcomes that were looked at


@pytest.mark.parametrize("name", list(MODELS))
def test_models_are_refused_unread(tmp_path, geoseg, name, night) -> None:
    file, made = MODELS[name]
    (tmp_path / file).write_bytes(made(tmp_path / "ran"))
    before = sorted(tmp_path.iterdir())
    code, _, err = geoseg("run", night[0]["good"].path, "-o", tmp_path / "run", "--model", tmp_path / file)
    assert code == 5, err
    assert err.splitlines()[-1].startswith(f"geoseg: error: {tmp_path / file}"), err
    assert "Traceback" not in err
    assert [p for p in sorted(tmp_path.iterdir()) if p.name != "run"] == before


@pytest.mark.parametrize("name", list(CONFIGS))
def test_configs_are_refused_before_anything_is_done(tmp_path, geoseg, name, night, listener, truth_network) -> None:
    text, codes = CONFIGS[name]
    bait = tmp_path / "bait.txt"
    bait.write_text("EPSG:25833")
    words = {
        "IN": str(night[0]["good"].path.parent / "good.tif"),
        "RUN": str(tmp_path / "run"),
        "BAIT": str(bait),
        "URL": listener[0],
    }
    if isinstance(text, str):
        for word, meant in words.items():
            text = text.replace(word, meant)
        text = text.encode()
    config = tmp_path / "night.yaml"
    config.write_bytes(text)
    code, _, err = geoseg("run", config)
    assert code in codes, err
    assert "geoseg: error: " in err or "Error: " in err
    assert "Traceback" not in err
    assert bait.read_text() == "EPSG:25833"
    assert not listener[1]
    assert not (tmp_path / "RAN").exists()
