"""Every option, once: on the command line, in the config, in the keys."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import get_type_hints

import click
import numpy as np
import pytest
from support import CRS, PLACE, moved, write_sheet

from geoseg.cli.main import COMMANDS, cli
from geoseg.night.config import SECTIONS, RunConfig, keys_of
from geoseg.options import (
    STAGES,
    ChangesOptions,
    EvaluateOptions,
    InferOptions,
    MosaicOptions,
    NightOptions,
    RunOptions,
    TileOptions,
    WorkOptions,
    known,
    result_values,
)
from geoseg.runfolder.folder import Run

# Where each option is said


def _click_flags(command: str) -> dict[str, set[str]]:
    """Flags of a command by the name of the option."""
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    return {p.name: {*p.opts, *p.secondary_opts} for p in found.params if p.name}


COMMAND_OF = {
    TileOptions: "tile",
    InferOptions: "infer",
    MosaicOptions: "mosaic",
    WorkOptions: "run",
    NightOptions: "run",
    EvaluateOptions: "evaluate",
    ChangesOptions: "changes",
}
EVERY = [(kind, name) for kind in COMMAND_OF for name in known(kind)]


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=lambda v: getattr(v, "__name__", v))
def test_an_option_is_on_the_command_line_unless_it_has_no_flags(kind, name) -> None:
    flags, one = _click_flags(COMMAND_OF[kind]), known(kind)[name]
    assert (name in flags) == (one.flags != ())
    if one.flags is None:
        assert "--" + name.replace("_", "-") in flags[name]
    for flag in one.flags or ():
        assert set(flag.split("/")) <= flags[name]


@pytest.mark.parametrize("name", [n for kind in STAGES.values() for n in known(kind)])
def test_a_whole_night_takes_the_options_of_every_stage(name) -> None:
    one = next(known(kind)[name] for kind in STAGES.values() if name in known(kind))
    assert (name in _click_flags("run")) == (one.flags != ())


@pytest.mark.parametrize(
    ("kind", "name"),
    [e for e in EVERY if e[0] not in (EvaluateOptions, ChangesOptions)],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_an_option_is_in_the_config_unless_it_has_no_key(kind, name) -> None:
    section = next(s for s, kinds in SECTIONS.items() if kind in kinds)
    model = next(a for a in RunConfig.model_fields[section].annotation.__args__ if hasattr(a, "model_fields"))
    key = known(kind)[name].key
    assert (keys_of(kind).get(name if key is None else key) == name) == (key != "")
    if key != "":
        assert (key or name) in model.model_fields


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=lambda v: getattr(v, "__name__", v))
def test_an_option_explains_itself(kind, name) -> None:
    one = known(kind)[name]
    assert len(one.help) > 10
    hint = str(get_type_hints(kind)[name])
    assert one.read is not None or one.choices or any(k in hint for k in ("bool", "int", "float", "str", "Path"))


def test_every_command_can_be_found() -> None:
    assert set(COMMAND_OF.values()) <= set(COMMANDS)


# What belongs into a key


@dataclass(frozen=True)
class Town:
    """A finished run over two small sheets, and what else options may name."""

    sheets: Path
    run: Path
    model: Path
    other: Path
    aoi: Path

    def base(self) -> RunOptions:
        """What the run was made with."""
        inference = InferOptions(model=(self.model,), engine="torch", device="cpu", precision="f32", threads=1)
        tile = TileOptions(block_size=64, nodata=((99.0, 0.0),))
        return RunOptions(tile, inference, MosaicOptions(name="town", vectors=False))


@pytest.fixture(scope="module")
def little_town(tmp_path_factory, truth_network, blur_network) -> Town:
    import geopandas
    import shapely

    from geoseg.night.stages import run_stages

    folder = tmp_path_factory.mktemp("options")
    rng = np.random.default_rng(4)
    for k in range(2):
        pixels = rng.integers(0, 6, (3, 90, 90)).astype(np.uint8)
        write_sheet(folder / f"sheets/s{k}.tif", pixels, place=moved(PLACE, 90 * k, 0), compress="deflate")
    square = shapely.box(PLACE.c + 1, PLACE.f - 5, PLACE.c + 5, PLACE.f - 1)
    geopandas.GeoDataFrame(geometry=[square], crs=CRS).to_file(folder / "aoi.gpkg")
    town = Town(folder / "sheets", folder / "run", truth_network, blur_network, folder / "aoi.gpkg")
    run_stages([town.sheets], town.run, town.base())
    return town


Change = Callable[[Town], object]


def _same(value: object) -> Change:
    return lambda town: value


CHANGED: dict[type, dict[str, Change]] = {
    TileOptions: {
        "subfolders": _same(False),
        "allow": _same(("vrt", "remote")),
        "patch_size": _same(96),
        "overlap": _same("16"),
        "model": lambda town: (town.other,),
        "block_size": _same(128),
        "bands": _same((2, 1, 3)),
        "alpha": _same("none"),
        "nodata": _same(((0.0, 0.0),)),
        "nodata_everywhere": _same(True),
        "crs": _same("EPSG:3035"),
        "crs_override": _same(True),
        "gsd": _same(0.12),
        "anchor": _same((PLACE.c + 0.53, PLACE.f - 0.21)),
        "bbox": _same((PLACE.c + 1, PLACE.f - 5, PLACE.c + 5, PLACE.f - 1)),
        "aoi": lambda town: town.aoi,
        "far": _same(50_000.0),
        "strict": _same(True),
        "overwrite": _same(True),
        "retry_failed": _same(True),
        "read_timeout": _same(7.0),
    },
    InferOptions: {
        "model": lambda town: (town.other,),
        "engine": _same("openvino"),
        "device": _same("auto"),
        "precision": _same("auto"),
        "batch_size": _same(3),
        "tta": _same("flip"),
        "probabilities": _same(True),
        "range": _same((0.0, 200.0)),
        "resample": _same(True),
        "threads": _same(2),
        "readers": _same(2),
        "max_ram": _same(8 << 30),
        "model_timeout": _same(90.0),
        "read_timeout": _same(7.0),
    },
    MosaicOptions: {
        "name": _same("other"),
        "min_area": _same(0.5),
        "sheet_rasters": _same(False),
        "vectors": _same(True),
        "simplify": _same(0.5),
        "smooth": _same(0.2),
        "square": _same(False),
        "houses": _same(False),
        "all_cars": _same(True),
        "layers": _same(("cars",)),
        "vector_format": _same(("fgb",)),
        "exact": _same(True),
        "review": _same(20),
        "overwrite": _same(True),
        "read_timeout": _same(7.0),
        "sector": _same(512),
    },
    WorkOptions: {"workers": _same(2), "scheduler": _same("tcp://a:1"), "shard": _same((0, 2))},
    NightOptions: {
        "date": _same("2026-01-01"),
        "quarantine_ok": _same(True),
        "dry_run": _same(True),
        "metrics": _same(Path("m.prom")),
        "log_json": _same(True),
        "publish": _same(True),
        "changes": _same(True),
        "keep": _same(3),
        "keep_days": _same(3.0),
        "success": _same(("true",)),
        "failure": _same(("true",)),
        "webhook": _same("https://example.org"),
    },
}
"""A value for each option that is another one than the town was made with."""

PLANS_ANEW = {"patch_size", "overlap", "block_size", "crs", "gsd", "anchor"}
"""What contradicts the plan that is there, and needs `overwrite`."""

CHOSEN_LATER = {"engine", "device", "precision", "batch_size"}
"""What may lead to another engine: the forecast does not try it, and says that every block may be stale."""


def _changed(town: Town, kind: type, name: str) -> RunOptions:
    """The options of the town with one of them changed."""
    base = town.base()
    stage = next(s for s, k in STAGES.items() if k is kind)
    value = CHANGED[kind][name](town)
    assert getattr(getattr(base, stage), name) != value
    options = replace(base, **{stage: replace(getattr(base, stage), **{name: value})})
    if name in PLANS_ANEW:
        options = replace(options, tile=replace(options.tile, overwrite=True))
    return options


def test_the_table_above_names_every_option() -> None:
    assert set(CHANGED) == set(STAGES.values())
    for kind, rows in CHANGED.items():
        assert list(rows) == [f.name for f in fields(kind)]


def _question(town: Town, options: RunOptions) -> str | None:
    asked = importlib.import_module("geoseg.night.night")._asked([town.sheets], options)
    return None if asked is None else asked.key


@pytest.mark.parametrize(
    ("kind", "name"), [(k, n) for k in CHANGED for n in CHANGED[k]], ids=lambda v: getattr(v, "__name__", v)
)
def test_whoever_decides_results_is_part_of_what_a_night_is_asked_for(little_town, kind, name) -> None:
    """And nobody else: a night with other threads has nothing to do."""
    before, after = (
        _question(little_town, little_town.base()),
        _question(little_town, _changed(little_town, kind, name)),
    )
    if known(kind)[name].results:
        assert after != before
    else:
        assert after == before or name == "shard"  # a shard looks at everything, always


@pytest.mark.parametrize(
    ("kind", "name"),
    [(k, n) for k in (TileOptions, InferOptions) for n in CHANGED[k]],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_the_forecast_says_how_many_blocks_infer_then_computes(little_town, tmp_path, kind, name) -> None:
    from geoseg.night.forecast import forecast
    from geoseg.predict.engines import available
    from geoseg.stages.infer.infer import infer
    from geoseg.stages.tile.tile import tile

    if name == "engine" and not available("openvino"):  # not by its import, which would load its telemetry
        pytest.skip("openvino is not installed")
    options = _changed(little_town, kind, name)
    run = tmp_path / "run"
    shutil.copytree(little_town.run, run)
    told = forecast([little_town.sheets], run, options.tile, options.infer)
    tile([little_town.sheets], run, options.tile)
    report = infer(run, options.infer)
    assert told.blocks == report.blocks
    if name in CHOSEN_LATER:
        assert told.stale in (report.computed, report.blocks)
    else:
        assert told.stale == report.computed
    if not known(kind)[name].results:
        assert report.computed == 0


@pytest.mark.parametrize("name", list(CHANGED[MosaicOptions]))
def test_whoever_decides_outputs_is_part_of_the_mosaics_key(little_town, name) -> None:
    from geoseg.stages.mosaic.inputs import load_inputs, mosaic_key

    def key(options: MosaicOptions) -> str:
        return mosaic_key(load_inputs(Run(little_town.run), options), options)

    before = little_town.base().mosaic
    after = _changed(little_town, MosaicOptions, name).mosaic
    assert (key(before) != key(after)) == known(MosaicOptions)[name].results


def test_what_decides_results_is_told_by_name() -> None:
    for kind in STAGES.values():
        assert set(result_values(kind())) == {n for n, one in known(kind).items() if one.results}
