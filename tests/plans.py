"""Headers, sheets, plans, jobs and records made by hand: for tests of whoever decides by them alone. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.crs import CRS as RioCRS
from rasterio.windows import Window
from support import PLACE

from geoseg.geometry.grid import Grid
from geoseg.geometry.lattice import Lattice
from geoseg.models.card import Card
from geoseg.models.facts import EngineFacts, Normalise
from geoseg.plan import Header, Plan, Sheet
from geoseg.runfolder.blocks import BlockPixels, BlockPlace, Record, block_key, write_block
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import Job

MEANINGS = {1: ("gray",), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "alpha")}


@lru_cache
def wkt(code: int) -> str:
    """WKT of an EPSG code."""
    return str(RioCRS.from_epsg(code).to_wkt())


UTM = wkt(25833)
GRID = Grid(UTM, PLACE.c, PLACE.f, 0.1)


def a_header(width: int = 100, height: int = 80, place: Affine = PLACE, **facts: object) -> Header:
    """A header of three bands in UTM 33; facts change it."""
    bands = int(facts.get("bands", 3))  # type: ignore[call-overload]
    plain = {
        "bands": bands,
        "dtype": "uint8",
        "crs": UTM,
        "transform": tuple(place)[:6],
        "georeferenced": True,
        "nodata": None,
        "meanings": MEANINGS.get(bands, ("undefined",) * bands),
        "mask": "none",
        "block": (height, width),
    }
    return Header(width, height, **{**plain, **facts})  # type: ignore[arg-type]


def found(*headers: Header) -> list[tuple[Path, Header]]:
    """Headers with names: 0.tif, 1.tif, ..."""
    return [(Path(f"/nowhere/{i}.tif"), h) for i, h in enumerate(headers)]


def a_sheet(name: str = "s", window: Window | None = None, **facts: object) -> Sheet:
    """A sheet on the grid; facts are of the sheet, `header` among them."""
    window = window or Window(0, 0, 100, 80)
    header = a_header(window.width, window.height, GRID.window_transform(window))
    plain = {"stat": (1000, 1), "header": header, "crs": UTM, "mode": "direct", "window": window}
    return Sheet(path=f"/nowhere/{name}.tif", **{**plain, **facts})  # type: ignore[arg-type]


def a_plan(*sheets: Sheet, **facts: object) -> Plan:
    """A plan with blocks of 64 px; one sheet where none is given."""
    plain = {
        "grid": GRID,
        "gsd": 0.1,
        "lattice": Lattice(64, 32),
        "asked_lattice": False,
        "block": 64,
        "planned": "once",
    }
    return Plan(sheets=sheets or (a_sheet(),), **{**plain, **facts})  # type: ignore[arg-type]


def a_job(plan: Plan | None = None, **facts: object) -> Job:
    """A job of one network on a CPU."""
    plain = {
        "lattice": Lattice(64, 32, 4),
        "facts": EngineFacts("torch", "f32", "cpu", 1, "none", "1"),
        "models": (("/nowhere/net.pt", "abc"),),
        "bands": {s.path: (1, 2, 3) for s in (plan.sheets if plan else ())},
        "normalise": Normalise(np.zeros(3, np.float32), np.ones(3, np.float32)),
        "probabilities": False,
    }
    return Job(**{**plain, **facts})  # type: ignore[arg-type]


def a_card(**facts: object) -> Card:
    """The card of a network of three bands at 0.1 m."""
    from geoseg.classes import ISPRS

    plain = {
        "name": "net",
        "architecture": "unet_s",
        "classes": ISPRS,
        "bands": ("red", "green", "blue"),
        "mean": (100.0, 110.0, 120.0),
        "std": (50.0, 60.0, 70.0),
        "gsd": 0.1,
        "gsd_range": (0.05, 0.2),
        "patch": 512,
        "overlap": 256,
        "margin": 64,
        "stride": 32,
    }
    return Card(**{**plain, **facts})  # type: ignore[arg-type]


def write_blocks(run: Run, plan: Plan, job: Job, blocks: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Record]:
    """Commit some blocks of class 1, as `infer` would."""
    region = np.ones((plan.block, plan.block), np.uint8)
    records = {}
    for block in blocks:
        window = Window(block[1] * plan.block, block[0] * plan.block, plan.block, plan.block)
        pixels = BlockPixels(window, region, np.full_like(region, 90))
        records[block] = write_block(
            BlockPlace(run.blocks, plan, block), block_key(plan, job, block), pixels, ["class"], 0.5
        )
    return records


def touched(sheet: Sheet) -> Sheet:
    """The same sheet, written again."""
    return replace(sheet, stat=(sheet.stat[0], sheet.stat[1] + 1))
