"""What a mosaic asks of the blocks."""

from __future__ import annotations


def test_mosaic_refuses_missing_and_damaged_blocks(tmp_path, geoseg, sheet, blur_network):
    run = tmp_path / "run"
    geoseg("run", sheet, "-o", run, "--model", blur_network, "--engine", "torch", "--block-size", 64)
    block = run / "blocks/1_1.tif"
    data = bytearray(block.read_bytes())
    data[len(data) // 2] ^= 1
    block.write_bytes(data)
    code, _, err = geoseg("mosaic", run, "--overwrite")
    assert code == 1
    assert "is not what was committed" in err
    block.unlink()
    code, _, err = geoseg("mosaic", run, "--overwrite")
    assert code == 1
    assert "1 of 16 blocks are missing" in err
    assert geoseg("infer", run, "--model", blur_network, "--engine", "torch")[0] == 0
    assert geoseg("mosaic", run)[0] == 0
