"""The report."""

from __future__ import annotations

from geoseg.classes import ISPRS
from geoseg.gis.report import html_page, with_changes


def test_the_report_is_one_page_with_everything_inside(finished):
    run, report = finished
    page = (run / "out/report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched
    assert page.count("data:image/png;base64,") >= 2
    for c in ISPRS.classes:
        assert c.name in page
        assert c.hex in page
    for name, area in report.areas.items():
        assert f"{area:,.0f}" in page, name
    for word in ("Areas", "Confidence", "Look at these first", "Made by", "Open it", "town.gpkg"):
        assert word in page


def test_a_report_says_once_what_changed():
    page = html_page("town", "<h1>town</h1><h2>Areas</h2>")
    first = with_changes(page, "Since <Monday>", ["1 new building", "2 trees gone"])
    assert first.index("town</h1>") < first.index("Since &lt;Monday&gt;") < first.index("Areas")
    second = with_changes(first, "Since Tuesday", ["no changes of trees"])
    assert "Monday" not in second
    assert second.count("<section") == 1
