"""A night that has nothing to do sees so at once."""

from __future__ import annotations

import json
import os

from servers import serve
from support import files_of

from geoseg.night.stamp import question


def test_a_second_run_does_nothing_and_a_changed_option_redoes(tmp_path, geoseg, sheet, blur_network):
    arguments = ["run", sheet, "-o", tmp_path / "run", "--model", blur_network, "--engine", "torch", "--block-size", 64]
    assert geoseg(*arguments)[0] == 0
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*.tif")}
    code, out, _ = geoseg(*arguments)
    assert code == 0
    assert "nothing to do: 1 sheets, 16 blocks" in out
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*.tif")} == files
    code, out, _ = geoseg(*arguments, "--tta", "flip")
    assert code == 0
    assert "computed" in out
    code, out, _ = geoseg("status", tmp_path / "run", "--json")
    assert json.loads(out)["finished"] is True


def test_nothing_new_is_seen_without_a_look_into_any_file(town, tmp_path, blur_network, geoseg, monkeypatch) -> None:
    """And whatever is touched, inputs or outputs, sends the night through its stages again."""
    sheets, run, _ = town
    words = [
        "run",
        sheets,
        "-o",
        run,
        "--model",
        blur_network,
        "--engine",
        "torch",
        "--block-size",
        64,
        "--date",
        "2026-11-20",
    ]
    assert geoseg(*words)[0] == 0
    before = files_of(run)
    looked: list[object] = []
    monkeypatch.setattr("geoseg.night.stages.run_stages", lambda *a, **k: looked.append(1) or 1 / 0)
    code, out, _ = geoseg(*words)
    assert (code, looked) == (0, [])
    assert "nothing to do: 6 sheets" in out
    assert files_of(run) == before

    def noticed(*more: object) -> bool:
        looked.clear()
        geoseg(*words, *more)
        return bool(looked)

    assert not noticed("--threads", 1)
    assert noticed("--min-area", 3)
    assert noticed("--retry-failed")
    assert noticed("--date", "2026-11-21")
    block = min((run / "blocks").glob("*.tif"))
    for path in (run / "out" / "run.gpkg", run / "out" / "2026-11-20" / "run_classes.tif", block):
        facts = path.stat()
        os.utime(path)
        assert noticed(), path
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        assert not noticed()
    os.utime(sheets / "s_0_0.tif")
    assert noticed()


def test_a_night_that_set_sheets_aside_says_so_again(town, blur_network, geoseg) -> None:
    sheets, run, _ = town
    bad = sheets / "s_1_0.tif"
    bad.write_bytes(bad.read_bytes()[:300])
    words = ["run", sheets, "-o", run, "--model", blur_network, "--engine", "torch", "--block-size", 64]
    first, second = geoseg(*words), geoseg(*words)
    assert first[0] == second[0] == 3
    assert "nothing to do" in second[1]
    assert str(bad) in second[2]


def test_a_world_file_beside_a_picture_is_part_of_the_question(tmp_path) -> None:
    (tmp_path / "a.png").touch()
    before = question([tmp_path / "a.png"], [], {})
    (tmp_path / "a.pgw").write_text("1")
    assert question([tmp_path / "a.png"], [], {}) != before


def test_a_source_of_a_virtual_raster_is_part_of_the_question(tmp_path) -> None:
    """A night would have said that nothing is new."""
    source = tmp_path / "a.tif"
    source.write_bytes(b"II*\0")
    mosaic = tmp_path / "m.vrt"
    mosaic.write_text("<VRTDataset><SourceFilename relativeToVRT='1'>a.tif</SourceFilename></VRTDataset>")
    before = question([mosaic], [], {})
    assert question([mosaic], [], {}) == before
    source.write_bytes(b"II*\0 and more")
    after = question([mosaic], [], {})
    assert after != before
    source.unlink()
    assert question([mosaic], [], {}) not in (before, after)


def test_a_remote_sheet_is_asked_about_each_night(tmp_path, geoseg, sheet, blur_network):
    with serve(tmp_path) as server:
        (tmp_path / "c.yaml").write_text(f"sheets: ['{server.url}/{sheet.name}']\nout: run\n")
        words = ["run", tmp_path / "c.yaml", "--allow", "remote", "--model", blur_network, "--engine", "torch"]
        assert geoseg(*words)[0] == 0
        server.asked.clear()
        assert "nothing to do: 1 sheets" in geoseg(*words)[1]
        assert len(server.asked) == 1
        data = sheet.read_bytes()
        sheet.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        code, out, _ = geoseg(*words)
        assert code == 0
        assert "computed" in out
        assert geoseg("verify", tmp_path / "run")[0] == 0
