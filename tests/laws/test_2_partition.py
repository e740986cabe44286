"""Guarantee 2: block size, panels, threads, workers and shards do not show."""

from __future__ import annotations

import importlib
import shutil
import threading

import numpy as np
import pytest
from runs import pixels_of, polygons_of, whole_run
from support import block_hashes

from geoseg.errors import Busy
from geoseg.options import MosaicOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic

infer_stage = importlib.import_module("geoseg.stages.infer.infer")


@pytest.mark.parametrize(
    ("block", "widest", "options"),
    [
        (64, 99, {}),
        (64, 1, {}),
        (128, 2, {"threads": 1}),
        (80, 3, {"threads": 2}),
        (128, 1, {"batch_size": 3}),
        (336, 99, {"batch_size": 5}),
    ],
)
def test_blocks_panels_lanes_and_batches_do_not_show(
    tmp_path, monkeypatch, reference, blur_network, block, widest, options
):
    sheets, _, whole = reference
    monkeypatch.setattr(infer_stage, "widest_panel", lambda *_: widest)
    run = whole_run(sheets, tmp_path / "run", blur_network, block, **options)
    assert np.array_equal(pixels_of(run), pixels_of(whole))
    assert polygons_of(run) == polygons_of(whole)


def test_workers_write_the_same_bytes(job, alone, planned, two_workers) -> None:
    report = infer(planned, job[1], executor=two_workers)
    assert report.computed == report.blocks
    assert block_hashes(planned) == alone


def test_workers_make_the_same_outputs(done_alone, tmp_path, two_workers) -> None:
    """Sheets' rasters and districts' layers on two workers: file by file the same bytes."""
    runs = [tmp_path / "alone" / "run", tmp_path / "two" / "run"]
    for run in runs:
        shutil.copytree(done_alone, run)
    mosaic(runs[0])
    mosaic(runs[1], executor=two_workers)
    outputs = [
        {
            str(p.relative_to(run)): p.read_bytes()
            for p in (run / "out").rglob("*")
            if p.is_file() and p.suffix in (".tif", ".gpkg", ".xml", ".qml")
        }
        for run in runs
    ]
    assert outputs[0].keys() == outputs[1].keys()
    assert [name for name in outputs[0] if outputs[0][name] != outputs[1][name]] == []


def test_shards_write_the_same_bytes_and_mosaic_waits_for_them(job, alone, planned) -> None:
    infer(planned, job[1], shard=(1, 3))
    with pytest.raises(Busy, match="blocks are missing"):
        mosaic(planned, MosaicOptions(vectors=False))
    infer(planned, job[1], shard=(0, 3))
    infer(planned, job[1], shard=(2, 3))
    assert block_hashes(planned) == alone
    assert infer(planned, job[1]).computed == 0
    mosaic(planned, MosaicOptions(vectors=False))


def test_shards_at_the_same_time_and_each_only_once(job, alone, planned) -> None:
    errors: list[BaseException] = []

    def work(shard: tuple[int, int]) -> None:
        try:
            infer(planned, job[1], shard=shard)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=((i, 2),)) for i in (0, 1, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [type(e) for e in errors] == [Busy]
    assert block_hashes(planned) == alone
