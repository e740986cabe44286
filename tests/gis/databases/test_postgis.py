"""Feature layers in a real PostgreSQL with PostGIS."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace

import geopandas
import postgres
import pyogrio
import pytest
import shapely
from support import ROOT

from geoseg.errors import Busy, EnvironmentFault, UsageError
from geoseg.gis.columns import COLUMNS
from geoseg.gis.databases.postgis import check_database, check_server, write_database
from geoseg.gis.databases.target import Target, holds
from geoseg.gis.geopackage import Layer, write_geopackage
from geoseg.layers import tables
from geoseg.night.listener import Listener
from geoseg.night.night import night
from geoseg.options import InferOptions, MosaicOptions, RunOptions, TileOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.mosaic.mosaic import mosaic

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.slow

UTM = geopandas.GeoSeries([], crs=25833).crs.to_wkt()


@pytest.fixture(scope="module")
def server():
    with postgres.postgres() as environment:
        yield environment


@pytest.fixture(autouse=True)
def _reached(server, monkeypatch):
    for name in [n for n in os.environ if n.startswith("PG")]:
        monkeypatch.delenv(name)
    for name, value in server.items():
        monkeypatch.setenv(name, value)


def ask(query, *values, user="keeper"):
    with psycopg.connect("", user=user) as database:
        return database.execute(query, values).fetchall()


def package(path, count, shift=0.0):
    """A GeoPackage of two layers of boxes with as many features each, and what it is made of."""
    boxes = [shapely.box(i + shift, 0, i + shift + 0.5, 1) for i in range(count)]
    values = {"id": [f"{i}" for i in range(count)], "class": "car", "area_m2": 0.5}
    frame = geopandas.GeoDataFrame(values, geometry=boxes, crs=25833)
    layers = [Layer(n, frame, "<!DOCTYPE qgis><qgis><a/></qgis>", f"all {n}") for n in ("cars", "trees")]
    write_geopackage(path, layers)
    return [replace(layer, frame=frame.iloc[:0]) for layer in layers]


def test_a_mosaic_writes_the_rows_of_its_geopackage_with_indices_comments_and_styles(finished_copy) -> None:
    run, _ = finished_copy
    options = MosaicOptions(min_area=0.5, all_cars=True, vector_format=("postgis",))
    mosaic(run, options)
    path = run / "out/town.gpkg"
    names = [str(n) for n, _ in pyogrio.list_layers(path) if n != "layer_styles"]
    assert {r[0] for r in ask("SELECT tablename FROM pg_tables WHERE schemaname = 'town'")} == set(names)
    for name in names:
        truth = geopandas.read_file(path, layer=name).set_index("id").sort_index()
        columns = list(truth.columns.drop("geometry"))
        quoted = ", ".join(f'"{c}"' for c in ("id", *columns))
        rows = ask(f"SELECT {quoted}, extensions.ST_AsBinary(geom), extensions.ST_SRID(geom) FROM town.{name}")
        rows = sorted(rows, key=lambda row: row[0])
        assert [row[0] for row in rows] == list(truth.index)
        assert {row[-1] for row in rows} <= {25833}
        assert [shapely.from_wkb(bytes(row[-2])) for row in rows] == list(truth.geometry)
        for at, column in enumerate(columns, 1):
            expected = [None if v != v or v is None else v for v in truth[column].tolist()]
            assert [row[at] for row in rows] == expected, column
            kinds = {type(row[at]) for row in rows} - {type(None)}
            assert kinds <= {type(v) for v in expected}, column
        indices = [r[0] for r in ask("SELECT indexdef FROM pg_indexes WHERE schemaname='town' AND tablename=%s", name)]
        assert sorted("gist" in i for i in indices) == [False, True]
        assert any("UNIQUE" in i and "(id)" in i for i in indices)
        assert ask(f"SELECT obj_description('town.{name}'::regclass)")[0][0]
        assert ask(f"SELECT col_description('town.{name}'::regclass, 1)") == [(COLUMNS["id"].text,)]
    # The query of QGIS (QgsPostgresProviderMetadata::loadStyle).
    style = """SELECT styleQML FROM layer_styles WHERE f_table_catalog='gis' AND f_table_schema='town'
        AND f_table_name=%s AND f_geometry_column='geom' AND (type = 'Polygon' OR type IS NULL)
        ORDER BY CASE WHEN useAsDefault THEN 1 ELSE 2 END, update_time DESC LIMIT 1"""
    for name in names:
        assert "<qgis" in str(ask(style, name)[0][0])
    for secret in (postgres.KEEPER, os.environ["PGPORT"], "keeper"):
        for file in (
            *run.glob("*.json"),
            *run.glob("locks/*.json"),
            run / "out/town.stac.json",
            run / "out/report.html",
        ):
            assert not re.search(rf"(?<!\d){re.escape(secret)}(?!\d)", file.read_text()), file
    assert ask("SELECT count(*) > 0 FROM town.buildings", user="reader") == [(True,)]
    assert mosaic(run, options).skipped
    with psycopg.connect("") as database:
        database.execute("DROP SCHEMA town CASCADE")
    assert not mosaic(run, options).skipped
    assert ask("SELECT count(*) > 0 FROM town.buildings") == [(True,)]


def test_a_mosaic_whose_database_fails_is_not_finished(finished_copy, monkeypatch) -> None:
    run, _ = finished_copy

    def fail(*arguments):
        raise EnvironmentFault("PostgreSQL", "went away")

    options = MosaicOptions(name="half", min_area=0.5, vector_format=("postgis",), sheet_rasters=False)
    monkeypatch.setattr(sys.modules[mosaic.__module__], "write_database", fail)
    with pytest.raises(EnvironmentFault):
        mosaic(run, options)
    assert not (run / "run.json").exists()
    monkeypatch.undo()


def test_readers_of_a_schema_see_the_old_tables_or_the_new_ones(tmp_path) -> None:
    target = Target("swap", UTM, "key", "me")
    sizes = (300, 500, 700)
    made = {n: (tmp_path / f"{n}.gpkg", package(tmp_path / f"{n}.gpkg", n)) for n in sizes}
    write_database(target, *made[300])
    stop, seen, wrong = threading.Event(), set(), []

    def read() -> None:
        with psycopg.connect("", user="reader", autocommit=True) as database:
            while not stop.is_set():
                try:
                    a, b = database.execute(
                        "SELECT (SELECT count(*) FROM swap.cars), (SELECT count(*) FROM swap.trees)"
                    ).fetchone()
                    seen.add(a)
                    if a != b or a not in sizes:
                        wrong.append((a, b))
                except psycopg.Error as error:
                    wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(6):
        write_database(replace(target, key=f"{turn}"), *made[sizes[turn % 3]])
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong, wrong[:3]
    assert seen == set(sizes)
    assert holds(replace(target, key="5"))
    assert not holds(target)


def test_a_reader_who_stays_is_waited_for_and_then_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("geoseg.gis.databases.postgis.PATIENCE", 1.5)
    target, layers = Target("held", UTM, "1", "me"), package(tmp_path / "a.gpkg", 10)
    write_database(target, tmp_path / "a.gpkg", layers)
    with psycopg.connect("", user="reader") as reader:
        reader.execute("SELECT * FROM held.trees")
        with pytest.raises(Busy, match="being read for more than"):
            write_database(replace(target, key="2"), tmp_path / "a.gpkg", layers)
        assert holds(target)
    write_database(replace(target, key="2"), tmp_path / "a.gpkg", layers)
    assert holds(replace(target, key="2"))


def test_two_at_once_do_not_write_one_schema(tmp_path) -> None:
    layers = package(tmp_path / "a.gpkg", 10)
    with psycopg.connect("") as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('geoseg twice', 0))")
        with pytest.raises(Busy, match="another geoseg"):
            write_database(Target("twice", UTM, "1", "me"), tmp_path / "a.gpkg", layers)


def test_what_is_not_geosegs_stays(tmp_path) -> None:
    layers = package(tmp_path / "a.gpkg", 10)
    with psycopg.connect("", user="postgres", password="master") as database:
        database.execute("CREATE SCHEMA theirs")
        database.execute("COMMENT ON SCHEMA theirs IS 'geoseg theirs run me key 1 tables cars'")
    with pytest.raises(EnvironmentFault, match="belongs to another user"):
        check_server("theirs", "me")
    with psycopg.connect("") as database:
        database.execute("CREATE SCHEMA mine")
    for name in ("mine", "public", "extensions"):
        with pytest.raises(UsageError, match="is not of outputs named"):
            check_server(name, "me")
        with pytest.raises(UsageError, match="is not of outputs named"):
            write_database(Target(name, UTM, "1", "me"), tmp_path / "a.gpkg", layers)
    target = Target("old town", UTM, "1", "me")
    write_database(target, tmp_path / "a.gpkg", layers)
    with pytest.raises(UsageError, match="not of outputs named old-town"):
        check_server("old-town", "me")
    with psycopg.connect("") as database:
        database.execute("CREATE VIEW public.mine AS SELECT id FROM old_town.cars")
        style = "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, stylename,"
        style += " useasdefault) VALUES ('gis', 'old_town', 'cars', 'geom', 'my own', true)"
        database.execute("DELETE FROM layer_styles WHERE f_table_schema = 'old_town'")
        database.execute(style)
    with pytest.raises(EnvironmentFault, match="views or tables of others"):
        write_database(replace(target, key="2"), tmp_path / "a.gpkg", layers)
    assert ask("SELECT count(*) FROM public.mine") == [(10,)]
    assert holds(target)
    with psycopg.connect("") as database:
        database.execute("DROP VIEW public.mine")
    write_database(replace(target, key="2"), tmp_path / "a.gpkg", layers)
    styles = "SELECT stylename, useasdefault FROM layer_styles WHERE f_table_schema = 'old_town' ORDER BY 1"
    assert ask(styles) == [("cars", False), ("my own", True), ("trees", True)]


def test_a_schema_of_another_run_of_one_name_is_refused(tmp_path) -> None:
    layers, mine = package(tmp_path / "a.gpkg", 10), Target("one name", UTM, "1", "me")
    write_database(mine, tmp_path / "a.gpkg", layers)
    for run in ("you", ""):
        with pytest.raises(UsageError, match=r"schema one_name that another run wrote.*--name"):
            check_server("one name", run)
    for key in ("1", "2"):
        with pytest.raises(UsageError, match="another run wrote"):
            write_database(replace(mine, key=key, run="you"), tmp_path / "a.gpkg", layers)
        assert not holds(replace(mine, key=key, run="you"))
    assert holds(mine)
    write_database(replace(mine, key="2"), tmp_path / "a.gpkg", layers)


def test_two_run_folders_of_one_name_do_not_replace_each_other(finished_copy, tmp_path) -> None:
    from geoseg.stages.mosaic.from_raster import run_from_raster

    run, _ = finished_copy
    options = MosaicOptions(name="both", layers=("landcover",), vector_format=("postgis",), sheet_rasters=False)
    mosaic(run, options)
    other = run_from_raster(run / "out/both_classes.tif", Run(tmp_path / "other/both"))
    with pytest.raises(UsageError, match=r"schema both that another run wrote.*--name"):
        mosaic(other, options)
    assert mosaic(run, options).skipped
    mosaic(other, replace(options, name="other"))
    again = run_from_raster(run / "out/both_classes.tif", other)
    assert mosaic(again, replace(options, name="other")).skipped
    assert not mosaic(again, replace(options, name="other", overwrite=True)).skipped


def test_what_a_person_has_put_into_the_schema_stays(tmp_path) -> None:
    """Tables, views and rights; what bears the name of a layer is refused, and nothing is changed."""
    target, layers = Target("shared", UTM, "1", "me"), package(tmp_path / "a.gpkg", 10)
    cars, trees = ([layer] for layer in layers)
    write_database(target, tmp_path / "a.gpkg", cars)
    with psycopg.connect("") as database:
        database.execute("CREATE TABLE shared.notes AS SELECT 7 AS it")
        database.execute("CREATE VIEW shared.seen AS SELECT it FROM shared.notes")
        database.execute("CREATE TABLE shared.trees AS SELECT 8 AS it")
        database.execute("REVOKE USAGE ON SCHEMA shared FROM reader")
    write_database(replace(target, key="2"), tmp_path / "a.gpkg", cars)
    assert ask("SELECT (SELECT it FROM shared.seen), (SELECT it FROM shared.trees)") == [(7, 8)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask("SELECT * FROM shared.cars", user="reader")
    with pytest.raises(UsageError, match=r"schema shared holds trees, which geoseg did not write.*rename it"):
        write_database(replace(target, key="3"), tmp_path / "a.gpkg", layers)
    with pytest.raises(UsageError, match="schema shared holds trees, which"):
        check_database(target, ["cars", "trees"])
    check_database(target, ["cars"])
    assert holds(replace(target, key="2"))
    with psycopg.connect("") as database:
        database.execute("ALTER TABLE shared.cars RENAME TO cars_of_may")  # to keep it
        database.execute("CREATE TABLE shared.cars AS SELECT * FROM shared.cars_of_may")
    assert not holds(replace(target, key="2"))
    with pytest.raises(UsageError, match="schema shared holds cars, which"):
        write_database(replace(target, key="3"), tmp_path / "a.gpkg", cars)
    ask_nothing("DROP TABLE shared.cars")
    write_database(replace(target, key="2"), tmp_path / "a.gpkg", cars)
    assert ask("SELECT (SELECT count(*) FROM shared.cars), (SELECT count(*) FROM shared.cars_of_may)") == [(10, 10)]
    ask_nothing("DROP TABLE shared.trees")
    write_database(replace(target, key="4"), tmp_path / "a.gpkg", trees)
    found = ask(
        "SELECT relname FROM pg_class WHERE relnamespace = 'shared'::regnamespace AND relkind <> 'i' ORDER BY 1"
    )
    assert [name for (name,) in found] == ["cars_of_may", "notes", "seen", "trees"]
    assert ask("SELECT f_table_name FROM layer_styles WHERE f_table_schema = 'shared'") == [("trees",)]


def ask_nothing(statement, user="postgres", password="master"):
    with psycopg.connect("", user=user, password=password) as database:
        database.execute(statement)


def test_rights_on_the_table_of_styles_are_checked_one_by_one_and_no_more_are_asked(tmp_path, monkeypatch) -> None:
    ask_nothing("CREATE ROLE second LOGIN PASSWORD 's'")
    ask_nothing("GRANT CREATE ON DATABASE gis TO second")
    ask_nothing("DROP TABLE IF EXISTS public.layer_styles")
    monkeypatch.setenv("PGUSER", "second")
    monkeypatch.setenv("PGPASSWORD", "s")
    with pytest.raises(EnvironmentFault, match="GRANT CREATE ON SCHEMA public"):
        check_server("second", "me")
    layers = package(tmp_path / "a.gpkg", 10)
    with monkeypatch.context() as keeper:
        keeper.setenv("PGUSER", "keeper")
        keeper.delenv("PGPASSWORD")
        write_database(Target("first", UTM, "1", "me"), tmp_path / "a.gpkg", layers)
    for right in ("SELECT, INSERT, DELETE ON public.layer_styles", "USAGE ON SEQUENCE layer_styles_id_seq"):
        with pytest.raises(EnvironmentFault, match=f"GRANT {right}"):
            check_server("second", "me")
        ask_nothing(f"GRANT {right} TO second")
    check_server("second", "me")
    write_database(Target("second", UTM, "1", "me"), tmp_path / "a.gpkg", layers)
    assert ask("SELECT count(*) FROM layer_styles WHERE f_table_schema = 'second'", user="second") == [(2,)]
    ask_nothing("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    try:
        with pytest.raises(EnvironmentFault, match="GRANT USAGE ON SCHEMA public"):
            check_server("second", "me")
    finally:
        ask_nothing("GRANT USAGE ON SCHEMA public TO PUBLIC")


def test_two_who_make_the_table_of_styles_at_once_both_write(tmp_path) -> None:
    """One of them has made it and not committed it yet; then two of geoseg at once."""
    layers, wrong = package(tmp_path / "a.gpkg", 10), []
    make = "CREATE TABLE public.layer_styles (id serial PRIMARY KEY, f_table_catalog varchar, f_table_schema varchar,"
    make += " f_table_name varchar, f_geometry_column varchar, stylename text, styleqml xml, stylesld xml,"
    make += " useasdefault boolean, description text)"

    def write(name: str) -> None:
        try:
            write_database(Target(name, UTM, "1", "me"), tmp_path / "a.gpkg", layers)
        except Exception as error:
            wrong.append(error)

    with psycopg.connect("") as other:
        other.execute("DROP TABLE public.layer_styles")
        other.commit()
        other.execute(make)
        writer = threading.Thread(target=write, args=("racer",))
        writer.start()
        end = time.monotonic() + 20
        while not ask("SELECT true FROM pg_locks WHERE NOT granted") and time.monotonic() < end:
            time.sleep(0.05)
        other.commit()
        writer.join()
    assert not wrong
    for turn in range(4):
        ask_nothing("DROP TABLE public.layer_styles")
        writers = [threading.Thread(target=write, args=(f"racer_{turn}_{k}",)) for k in range(3)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert not wrong
        assert ask("SELECT count(*) FROM layer_styles") == [(6,)]


def test_a_night_writes_a_schema_again_that_somebody_has_dropped(town, blur_network, monkeypatch) -> None:
    sheets, run, _ = town
    options = RunOptions(
        TileOptions(block_size=64),
        InferOptions(model=(blur_network,), engine="torch", precision="f32", threads=1),
        MosaicOptions(name="nightly", layers=("landcover",), vector_format=("postgis",), sheet_rasters=False),
    )
    night([sheets], run, options)
    said: list[str] = []
    hear = Listener(say=said.append)
    night([sheets], run, options, listener=hear)
    assert said[0].startswith("nothing to do")
    for harm in ("DROP SCHEMA nightly CASCADE", "DROP TABLE nightly.landcover"):
        ask_nothing(harm)
        said.clear()
        facts = night([sheets], run, options, listener=hear)
        assert not said
        assert (facts.exit_code, facts.computed) == (0, 0)
        assert ask("SELECT count(*) > 0 FROM nightly.landcover") == [(True,)]
        night([sheets], run, options, listener=hear)
        assert said[0].startswith("nothing to do")
    monkeypatch.setenv("PGPORT", "1")
    with pytest.raises(EnvironmentFault, match="cannot be reached.*PGHOST") as caught:
        night([sheets], run, options, listener=hear)
    assert caught.value.exit_code == 4


def test_what_the_server_refuses_is_told_before_the_work_and_tells_no_password(tmp_path, monkeypatch, caplog) -> None:
    caplog.set_level(0)
    with pytest.raises(UsageError, match="no EPSG number"):
        check_database(Target("town2", 'LOCAL_CS["here", UNIT["metre", 1]]', "1", "me"), [])
    check_database(Target("town2", UTM, "1", "me"), ["cars"])
    monkeypatch.setenv("PGDATABASE", "plain")
    with pytest.raises(EnvironmentFault, match="no PostGIS"):
        check_server("town2", "me")
    monkeypatch.setenv("PGDATABASE", "nowhere")
    with pytest.raises(EnvironmentFault, match="no such database"):
        check_server("town2", "me")
    monkeypatch.setenv("PGDATABASE", "gis")
    monkeypatch.setenv("PGUSER", "reader")
    with pytest.raises(EnvironmentFault, match="may make no schema"):
        check_server("town2", "me")
    monkeypatch.setenv("PGUSER", "keeper")
    monkeypatch.setenv("PGPASSWORD", "wrong one")
    with pytest.raises(EnvironmentFault, match=r"refuses the user or the password \(.*PGPASSFILE") as caught:
        check_server("town2", "me")
    told = f"{caught.value}{caught.value.__cause__}{caplog.text}"
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    with pytest.raises(EnvironmentFault, match="asks for a password"):
        check_server("town2", "me")
    assert "wrong one" not in told
    assert postgres.KEEPER not in caplog.text


KILLED = """
import sys
from pathlib import Path
from geoseg.gis.databases import postgis
from geoseg.gis.geopackage import Layer
import geopandas, time
frame = geopandas.GeoDataFrame({"id": []}, geometry=[], crs=25833)
layers = [Layer(n, frame, "<qgis/>", "x") for n in ("cars", "trees")]
rows = postgis._rows
def slow(*arguments):
    for row in rows(*arguments):
        yield row
    if len(sys.argv) > 2:
        print("at work", flush=True)
        time.sleep(60)
postgis._rows = slow
postgis.write_database(postgis.Target("killed", frame.crs.to_wkt(), "2", "me"), Path(sys.argv[1]), layers)
"""


def test_a_kill_in_the_middle_leaves_the_old_schema(tmp_path) -> None:
    layers = package(tmp_path / "a.gpkg", 10)
    write_database(Target("killed", UTM, "1", "me"), tmp_path / "a.gpkg", layers)
    package(tmp_path / "b.gpkg", 20_000)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "b.gpkg")]
    with subprocess.Popen([*command, "slow"], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert ask("SELECT count(*) FROM killed.cars") == [(10,)]
    end = time.monotonic() + 20
    while time.monotonic() < end:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        if done.returncode == 0:
            break
        assert "another geoseg" in done.stderr  # the server has not noticed yet
        time.sleep(0.5)
    assert ask("SELECT count(*) FROM killed.cars") == [(20_000,)]
    assert ask("SELECT nspname FROM pg_namespace WHERE nspname ~ 'killed|geoseg_new'") == [("killed",)]


LOOK = """
import os
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from qgis.core import QgsApplication, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
password = open(os.environ["PGPASSFILE"]).readline().strip().split(":keeper:")[1]
where = f"dbname='gis' host={os.environ['PGHOST']} port={os.environ['PGPORT']} user='keeper'"
where += " password='{}'".format(password.replace(chr(92), ""))
for name, kind in (("buildings", "Polygon"), ("road_centrelines", "LineString"), ("tree_points", "Point")):
    uri = f"{where} key='id' srid=25833 type={kind} table=\\"shown\\".\\"{name}\\" (geom)"
    layer = QgsVectorLayer(uri, name, "postgres")
    said, found = layer.loadDefaultStyle()
    field = layer.fields().field("confidence")
    print(name, layer.isValid(), layer.crs().authid(), layer.featureCount() > 0, layer.renderer().type(), found,
          field.alias(), layer.hasSpatialIndex() == layer.SpatialIndexPresent)
"""


def test_qgis_opens_the_tables_styled(finished, tmp_path) -> None:
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import qgis.core"], capture_output=True, check=False).returncode:
        pytest.skip("no PyQGIS: apt-get install python3-qgis")
    path = finished[0] / "out/town.gpkg"
    layers = [
        Layer(name, pyogrio.read_dataframe(path, layer=name).iloc[:0], qml, name, tables()[name].geometry)
        for name, qml in ((n, style_of(path, n)) for n in ("buildings", "road_centrelines", "tree_points"))
    ]
    write_database(Target("shown", UTM, "1", "me"), path, layers)
    place = {**os.environ, "PGOPTIONS": "-c search_path=public,extensions"}  # QGIS looks for PostGIS there only
    done = subprocess.run([python, "-c", LOOK], capture_output=True, text=True, check=False, env=place)
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stderr
    for line in lines:
        assert " True EPSG:25833 True " in line
        assert line.endswith("Confidence (%) True")


def style_of(path, layer):
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT styleQML FROM layer_styles WHERE f_table_name = ?", (layer,)).fetchone()[0]
