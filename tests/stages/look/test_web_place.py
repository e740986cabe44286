"""Where web maps lie: what is never replaced, what killed processes leave, and several processes at once."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from geoseg.errors import EnvironmentFault, UsageError
from geoseg.stages.look import web_place
from geoseg.stages.look.web_place import LEFT, building, check_free, put


def _map(place: Path, word: str = "one") -> Path:
    """A folder like that of a web map."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "index.html").write_text(word)
    (place / "map.json").write_text(json.dumps({"form": 1, "run": "r", "files": ["index.html"]}))
    return place


def _word(place: Path) -> str:
    return (place / "index.html").read_text()


def test_a_map_may_be_replaced_and_an_empty_folder_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "none", tmp_path / "empty", _map(tmp_path / "map")):
        check_free(place)
        with building(place) as made:
            put(_map(made, "two"), place)
        assert _word(place) == "two"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "map", "none"]


@pytest.mark.parametrize("said", ["{}", "[]", "no JSON", '{"form": 1}', '{"files": ["index.html"]}'])
def test_a_map_json_of_others_is_no_web_map(tmp_path: Path, said: str) -> None:
    (tmp_path / "game").mkdir()
    (tmp_path / "game/map.json").write_text(said)
    with pytest.raises(UsageError, match="is no web map .*-o"):
        check_free(tmp_path / "game")


@pytest.mark.parametrize("foreign", ["letter.txt", "index.html/", ".hidden"])
def test_what_lies_in_the_folder_of_a_map_is_not_lost(tmp_path: Path, foreign: str) -> None:
    place = _map(tmp_path / "map")
    if foreign.endswith("/"):
        (place / "index.html").unlink()
        (place / foreign).mkdir()
    else:
        (place / foreign).write_text("dear")
    with building(place) as made:
        _map(made, "two")
        with pytest.raises(UsageError, match=f"holds {foreign.strip('/')}.*move it elsewhere"):
            put(made, place)
    assert (place / foreign).exists()
    assert [p.name for p in tmp_path.iterdir()] == ["map"]


def test_what_killed_processes_left_goes_and_a_map_that_was_set_aside_comes_back(tmp_path: Path) -> None:
    dead, alive, other = (tmp_path / f".map-{n}.building" for n in ("0" * 12, "1" * 12, "b-" + "2" * 12))
    for folder in (dead, alive, other):
        folder.mkdir()
    for folder in (dead, other):
        os.utime(folder, (1, 1))
    os.utime(alive, (alive.stat().st_mtime - LEFT / 2,) * 2)
    _map(dead.with_suffix(".old"), "before")
    _map(alive.with_suffix(".old"), "of another process")
    with building(tmp_path / "map"):
        assert _word(tmp_path / "map") == "before"
    assert {p.name for p in tmp_path.iterdir()} == {"map", alive.name, alive.with_suffix(".old").name, other.name}


def test_a_build_at_work_shows_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_place, "SIGN", 0.01)
    with building(tmp_path / "map") as made:
        os.utime(made, (1, 1))
        for _ in range(500):
            if made.stat().st_mtime > 1:
                break
            threading.Event().wait(0.01)
        assert made.stat().st_mtime > 1


def test_where_the_disk_refuses_the_new_map_the_old_one_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, real = _map(tmp_path / "map"), os.replace

    def refusing(source: Path, target: Path) -> None:
        if str(source).endswith(".building"):
            raise PermissionError(13, "Permission denied")
        real(source, target)

    monkeypatch.setattr(os, "replace", refusing)
    with building(place) as made, pytest.raises(EnvironmentFault, match="Permission denied"):
        put(_map(made, "two"), place)
    assert _word(place) == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["map"]


def test_several_processes_at_once_leave_one_whole_map(tmp_path: Path) -> None:
    place, faults = tmp_path / "map", []

    def work(word: str) -> None:
        try:
            for _ in range(15):
                with building(place) as made:
                    put(_map(made, word), place)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(w,)) for w in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert _word(place) in "abcd"
    assert [p.name for p in tmp_path.iterdir()] == ["map"]
