"""geoseg changes."""

from __future__ import annotations

import json
from dataclasses import replace

from towns import OLD, made


def test_the_command_says_what_changed(tmp_path, geoseg) -> None:
    old = made(tmp_path / "old", OLD)
    new = made(tmp_path / "new", replace(OLD, buildings=OLD.buildings[1:]))
    code, out, err = geoseg("changes", old, new, "-o", tmp_path / "c.gpkg")
    assert code == 0, err
    assert out.startswith("1 building gone\n")
    assert f"wrote {tmp_path / 'c.gpkg'}" in out
    code, out, err = geoseg("changes", old, new, "-o", tmp_path / "c.gpkg", "--tolerance", 0.5, "--json")
    assert code == 0, err
    assert json.loads(out)["changes"]["buildings"]["removed"] == 1
    code, _, err = geoseg("changes", old, tmp_path / "nothing", "-o", tmp_path / "c.gpkg")
    assert code == 2
    assert err.startswith(f"geoseg: error: {tmp_path / 'nothing'}: is no folder")
