"""geoseg corrections: what it says where it cannot do its work."""

from __future__ import annotations

from towns import OLD, made


def test_corrections_without_a_run_or_a_photo_say_so(tmp_path, geoseg) -> None:
    code, _, err = geoseg("corrections", tmp_path / "nothing", "-o", tmp_path / "set")
    assert code == 1
    assert "is no run folder" in err
    run = made(tmp_path / "run", OLD, review=5)
    code, _, err = geoseg("corrections", run, "-o", tmp_path / "set")
    assert code == 1
    assert "it has no photo (use a run of geoseg infer)" in err
    assert not (tmp_path / "set").exists()
