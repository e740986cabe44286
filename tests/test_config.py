"""Config files of any kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from geoseg.config import load_yaml
from geoseg.errors import UsageError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = ""
    inner: Inner = Inner()
    many: list[Inner] = []


def _load(tmp_path: Path, text: str | bytes) -> Outer:
    path = tmp_path / "c.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_yaml(path, Outer, "configs/example.yaml")


def test_a_good_config_is_read_with_or_without_a_mark_at_its_beginning(tmp_path) -> None:
    text = "name: a\ninner: {size: 3}\nmany:\n- size: 4\n"
    assert _load(tmp_path, text) == _load(tmp_path, "\ufeff" + text)
    assert _load(tmp_path, text).many[0].size == 4


@pytest.mark.parametrize(
    ("text", "subject", "words"),
    [
        ("name: a\ninner:\n  sise: 3\n", "c.yaml:3", "unknown key 'inner.sise'"),
        ("many:\n- size: 1\n- size: 2\n  six: 3\n", "c.yaml:4", "unknown key 'many.1.six'"),
        ("name: a\ninner:\n  size: big\n", "c.yaml:3", "inner.size"),
        ("name: a\nname: b\n", "c.yaml", "given twice, again in line 2"),
        ("name: [a\n", "c.yaml", "cannot be read as YAML"),
        ("name: !!python/name:os.system\n", "c.yaml", "cannot be read as YAML"),
        ("- a\n", "c.yaml", "not a mapping"),
        ("", "c.yaml", "not a mapping"),
        (b"\xff\xfe", "c.yaml", "cannot be read as YAML"),
        ("inner: " + "[" * 2000, "c.yaml", "YAML|nested too deeply"),
    ],
)
def test_mistakes_name_file_line_and_key(tmp_path, text, subject, words) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        _load(tmp_path, text)
    assert caught.value.subject.endswith(subject)
    assert caught.value.cure


def test_the_nearest_key_is_named(tmp_path) -> None:
    with pytest.raises(UsageError) as caught:
        _load(tmp_path, "inner:\n  sise: 3\n")
    assert "did you mean 'size'?" in caught.value.cure


def test_a_bomb_of_aliases_is_counted_not_unfolded(tmp_path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{k + 1}: &a{k + 1} [{', '.join([f'*a{k}'] * 10)}]" for k in range(8)]
    with pytest.raises(UsageError, match="more than 1,000,000 values"):
        _load(tmp_path, "\n".join(lines))


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load_yaml(tmp_path / "none.yaml", Outer, "x")


def test_merge_keys_take_over_what_is_not_given(tmp_path) -> None:
    text = "base: &base {a: 1, b: 2}\nother: &other {b: 5, c: 6}\n"
    path = tmp_path / "c.yaml"

    class Any(BaseModel):
        model_config = ConfigDict(extra="allow")

    path.write_text(text + "one: {<<: *base, b: 3}\ntwo: {<<: [*base, *other]}\n")
    found = load_yaml(path, Any, "x").model_dump()
    assert found["one"] == {"a": 1, "b": 3}
    assert found["two"] == {"a": 1, "b": 2, "c": 6}
    path.write_text(text + "one: {<<: 7}\n")
    with pytest.raises(UsageError, match="in line 3 names 7, expected a mapping"):
        load_yaml(path, Any, "x")
    path.write_text(text + "one: {<<: *base, <<: *other}\n")
    with pytest.raises(UsageError, match="'<<' is given twice"):
        load_yaml(path, Any, "x")
    path.write_text(text + "one: {<<: *base, b: 3, b: 4}\n")
    with pytest.raises(UsageError, match="'b' is given twice"):
        load_yaml(path, Any, "x")
