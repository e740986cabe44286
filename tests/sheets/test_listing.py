"""Sheets by pattern and by list."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.errors import UsageError
from geoseg.runfolder.folder import Run
from geoseg.sheets.kinds.world_file import world_files
from geoseg.sheets.listing import find_sheets, list_sheets


def test_sheets_by_pattern_and_by_list(town, tmp_path) -> None:
    from geoseg.sheets.listing import find_sheets

    sheets, _, _ = town
    assert len(find_sheets([sheets / "s_0_*.tif"])) == 2
    listed = tmp_path / "list.txt"
    listed.write_text("# tonight\nsheets/s_0_0.tif\n\nsheets/s_1_0.tif\n")
    assert [p.name for p in find_sheets([listed])] == ["s_0_0.tif", "s_1_0.tif"]
    with pytest.raises(UsageError):
        find_sheets([sheets / "x_*.tif"])


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("b.tif", "a.TIFF", ".hidden.tif", "notes.txt", "c.jpg", "sub/d.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_is_its_geotiffs_in_order_without_hidden_ones(folder) -> None:
    names = [p.name for p in find_sheets([folder])]
    assert [n for n in names if n != "d.tif"] == ["a.TIFF", "b.tif"]


def test_each_file_counts_once_however_often_it_is_named(folder, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    found = find_sheets([Path("b.tif"), folder, folder / "*.tif", Path("b.tif")])
    assert [p.name for p in found if p.name != "d.tif"] == ["b.tif", "a.TIFF"]
    assert all(p.is_absolute() for p in found)


def test_a_file_that_is_not_there_is_named_all_the_same(folder) -> None:
    """Opening it will say what is wrong."""
    assert find_sheets([folder / "none.tif"]) == [folder / "none.tif"]


def test_a_name_with_brackets_is_a_name_where_it_exists(folder) -> None:
    odd = folder / "a[1].tif"
    odd.touch()
    assert find_sheets([odd]) == [odd]


def test_lists_hold_a_path_in_each_line(folder) -> None:
    listed = folder / "list.txt"
    listed.write_text("\ufeffb.tif\n# no\n\n  sub/d.tif \n", encoding="utf-8")
    assert find_sheets([listed]) == [folder / "b.tif", folder / "sub/d.tif"]
    listed.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read as a list"):
        find_sheets([listed])


def test_nothing_there_is_refused(folder) -> None:
    (folder / "empty").mkdir()
    for nothing in ([folder / "empty"], [folder / "x*.tif"], []):
        with pytest.raises(UsageError, match="no sheet"):
            find_sheets(nothing)


def test_folders_stand_for_their_subfolders_and_the_rest_is_counted(tmp_path: Path) -> None:
    names = (
        *("a.tif", "flight_2/odm/b.tif", "flight_1/odm/b.tif", "c.JP2", "d.png", "d.pgw", "e.jpg", "f.vrt", "g.ecw"),
        *("labels/a.tif", "5_Labels_all/a_label.tif", "run/plan.json", "run/out/x.tif", ".git/y.tif", "z/.z.tif"),
    )
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = list_sheets([tmp_path], is_run=Run.lies_in)
    found = [str(p.relative_to(tmp_path)) for p in listing.paths]
    assert found == ["a.tif", "c.JP2", "d.png", "flight_1/odm/b.tif", "flight_2/odm/b.tif"]
    assert listing.said == "1 .ecw, 1 .jpg without a world file, 1 .vrt, 2 folders of labels, 1 run folders"
    assert [p.name for p in list_sheets([tmp_path], subfolders=False).paths] == [
        "a.tif",
        "c.JP2",
        "d.png",
    ]
    assert [p.parent.parent.name for p in find_sheets([tmp_path / "*/odm/b.tif"])] == ["flight_1", "flight_2"]
    assert len(find_sheets([tmp_path / "**/b.tif"])) == 2
    (tmp_path / "only").mkdir()
    (tmp_path / "only/g.ecw").touch()
    with pytest.raises(UsageError, match=r"no sheet there \(passed over: 1 .ecw"):
        find_sheets([tmp_path / "only"])


def test_names_of_world_files() -> None:
    assert [p.name for p in world_files(Path("a.tiff"))] == ["a.tfw", "a.TFW", "a.tifw", "a.TIFW", "a.wld"]
    assert world_files(Path("b.jpeg"))[0].name == "b.jgw"
    assert world_files(Path("c.png"))[0].name == "c.pgw"
    assert world_files(Path("d.jp2"))[0].name == "d.j2w"


def test_a_run_folder_that_is_searched_gives_its_own_files_only(tmp_path: Path) -> None:
    for name in ("a.tif", "plan.json", "blocks/0_0.tif", "patches/p_0_0.tif", "out/m_classes.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [p.name for p in list_sheets([tmp_path], is_run=Run.lies_in).paths] == ["a.tif"]
