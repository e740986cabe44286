"""The STAC catalog of published nights."""

from __future__ import annotations

import json

import pytest
from runs import town_sheet

from geoseg.night.publish import prune, publish
from geoseg.runfolder.folder import Run


def test_the_catalog_lists_each_published_night(town) -> None:
    """pystac follows its links, finds each night once, and the files of each night beside its item."""
    pystac = pytest.importorskip("pystac")
    sheets, run, night = town
    night()
    assert not (run / "out/catalog.json").exists()
    for day in (1, 2, 3):
        town_sheet(sheets, 0, 0, day)
        night(date=f"2026-01-0{day}")
    catalog = pystac.Catalog.from_file(run / "out/catalog.json")
    items = list(catalog.get_items())
    assert catalog.title == "run"
    assert [i.id for i in items] == [f"town-2026-01-0{d}" for d in (1, 2, 3)]
    assert [link.title for link in catalog.get_item_links()] == [f"2026-01-0{d}" for d in (1, 2, 3)]
    for item, day in zip(items, (1, 2, 3), strict=True):
        assert item.get_parent() is catalog
        assert item.properties["title"] == f"town, 2026-01-0{day}"
        for asset in item.get_assets().values():
            path = run / "out" / f"2026-01-0{day}" / asset.href.removeprefix("./")
            assert asset.get_absolute_href() == str(path)
            assert path.stat().st_size == asset.extra_fields["file:size"]
    alone = pystac.Item.from_file(run / "out/2026-01-03/town.stac.json")
    assert alone.get_parent().id == "run"
    assert json.loads((run / "out/town.stac.json").read_text())["id"] == "town"


def test_catalog_and_items_of_nights_pass_the_schemas_of_stac_itself(town) -> None:
    pytest.importorskip("pystac")
    from pystac.validation.local_validator import LocalValidator

    _, run, night = town
    night(date="2026-01-01")
    with pytest.warns(DeprecationWarning, match="LocalValidator"):
        rules = LocalValidator()
    for file, schema in (
        ("catalog.json", rules.catalog_validator("1.1.0")),
        ("2026-01-01/town.stac.json", rules.item_validator("1.1.0")),
    ):
        value = json.loads((run / "out" / file).read_text())
        assert [e.message for e in schema.iter_errors(value)] == []
        assert all(not link["href"].startswith("/") for link in value["links"])


def test_the_catalog_follows_what_is_pruned_and_has_the_same_bytes_for_the_same_nights(town) -> None:
    sheets, run, night = town
    for day in (1, 2, 3):
        town_sheet(sheets, 0, 0, day)
        night(date=f"2026-01-0{day}")
    path = run / "out/catalog.json"
    before = path.stat().st_ino, path.read_bytes()
    assert prune(Run(run), 1, 0, dry_run=True)
    publish(Run(run), "2026-01-03")
    assert (path.stat().st_ino, path.read_bytes()) == before
    assert [p.name for p in prune(Run(run), 1, 0)] == ["2026-01-01"]
    hrefs = [link["href"] for link in json.loads(path.read_text())["links"] if link["rel"] == "item"]
    assert hrefs == ["./2026-01-02/town.stac.json", "./2026-01-03/town.stac.json"]
    path.unlink()  # of a version that wrote none
    publish(Run(run), "2026-01-03")
    assert path.read_bytes() != before[1]
    assert len(json.loads(path.read_text())["links"]) == 3
