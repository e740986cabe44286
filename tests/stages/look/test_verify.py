"""geoseg verify."""

from __future__ import annotations

from runs import town_sheet

from geoseg.options import InferOptions, MosaicOptions, TileOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.look.verify import verify
from geoseg.stages.tile.tile import tile


def test_verify_sees_outputs_that_are_older_than_the_blocks(town, blur_network) -> None:
    sheets, run, night = town
    night()
    town_sheet(sheets, 0, 0, 5)
    tile([sheets], run, TileOptions(block_size=64))
    infer(run, InferOptions(model=(blur_network,), engine="torch", precision="f32", threads=1))
    assert [f[1] for f in verify(run).faults] == ["its outputs are older than the blocks"]


def test_verify_finds_every_flipped_byte(town) -> None:
    _, run, night = town
    night(mosaic=MosaicOptions(name="town"))
    assert verify(run).faults == ()
    block = next((run / "blocks").glob("*.tif"))
    victims = [
        block,
        run / "out/town_classes.tif",
        run / "out/town.gpkg",
        run / "out/report.html",
        block.with_suffix(".json"),
    ]
    for path in victims:
        whole = path.read_bytes()
        flipped = bytearray(whole)
        at = whole.index(b'"sha256": "') + 15 if path.suffix == ".json" else len(whole) // 2
        flipped[at] ^= 1
        path.write_bytes(flipped)
        found = [f[0] for f in verify(run).faults]
        assert found == ([str(block), str(run / "run.json")] if path.suffix == ".json" else [str(path)]), path
        path.write_bytes(whole)
    (run / "out/town_confidence.tif").unlink()
    assert [f[1] for f in verify(run).faults] == ["is missing"]
