"""The pictures of the page on accuracy, drawn from the sample data: run it again when the network changes.

python docs/pictures.py            # needs geoseg; runs the demo in a temporary folder, writes docs/pictures/*.png
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from PIL import Image, ImageDraw
from rasterio.windows import Window, from_bounds

from geoseg.night.demo import demo
from geoseg.runfolder.folder import Run

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "sample_data"
OUT = ROOT / "docs" / "pictures"
PIXELS = 440
"""Side of each part of a picture."""

Pixels = npt.NDArray[np.uint8]


class View:
    """A square of ground, drawn large: photo below, outlines above."""

    def __init__(self, centre: tuple[float, float], metres: float) -> None:
        x, y = centre
        self.bounds = (x - metres / 2, y - metres / 2, x + metres / 2, y + metres / 2)
        self.scale = PIXELS / metres

    def photo(self) -> Image.Image:
        """The sheets within the view."""
        picture = np.full((3, PIXELS, PIXELS), 225, np.uint8)
        for path in sorted((SAMPLE / "sheets").glob("*.tif")):
            with rasterio.open(path) as sheet:
                window = from_bounds(*self.bounds, sheet.transform)
                pixels = sheet.read(window=window, boundless=True, out_shape=(3, PIXELS, PIXELS), masked=True)
                inside = ~np.ma.getmaskarray(pixels).all(0) & (np.ma.getdata(pixels).sum(0) > 0)
                picture[:, inside] = np.ma.getdata(pixels)[:, inside]
        return Image.fromarray(np.moveaxis(picture, 0, 2))

    def raster(self, path: Path) -> Pixels:
        """One band of a raster within the view, pixel by pixel."""
        with rasterio.open(path) as dataset:
            window: Window = from_bounds(*self.bounds, dataset.transform)
            return np.asarray(dataset.read(1, window=window, boundless=True, out_shape=(PIXELS, PIXELS)), np.uint8)

    def drawn(self, picture: Image.Image, layers: list[tuple[Path, str, str]], width: int = 2) -> Image.Image:
        """The outlines of layers (file, layer, colour) on a picture."""
        draw = ImageDraw.Draw(picture)
        for path, layer, colour in layers:
            frame = geopandas.read_file(path, layer=layer, bbox=self.bounds)
            for line in (
                shapely.get_parts(shapely.boundary(frame.geometry.to_numpy())) if _areas(frame) else frame.geometry
            ):
                for part in shapely.get_parts(line):
                    draw.line([self._at(p) for p in shapely.get_coordinates(part)], fill=colour, width=width)
        return picture

    def _at(self, point: npt.NDArray[Any]) -> tuple[float, float]:
        return float((point[0] - self.bounds[0]) * self.scale), float((self.bounds[3] - point[1]) * self.scale)


def _areas(frame: geopandas.GeoDataFrame) -> bool:
    return bool(len(frame)) and bool(frame.geom_type.str.contains("Polygon").all())


def side_by_side(*parts: Image.Image) -> Image.Image:
    """Pictures in a row, with white between."""
    wide = sum(p.width for p in parts) + 8 * (len(parts) - 1)
    whole = Image.new("RGB", (wide, max(p.height for p in parts)), "white")
    x = 0
    for part in parts:
        whole.paste(part, (x, 0))
        x += part.width + 8
    return whole


def errors(run: Run) -> Image.Image:
    """Photo, and where the classes differ from the truth."""
    view = View((367_636, 5_807_364), 72)
    found = view.raster(run.classes)
    wrong = np.zeros((PIXELS, PIXELS), bool)
    for path in sorted((SAMPLE / "classes").glob("*_classes.tif")):
        truth = view.raster(path)
        with rasterio.open(path) as dataset:
            mask = np.zeros((PIXELS, PIXELS), bool)
            left, bottom, right, top = dataset.bounds
            x = view.bounds[0] + (np.arange(PIXELS) + 0.5) / view.scale
            y = view.bounds[3] - (np.arange(PIXELS) + 0.5) / view.scale
            mask |= ((x > left) & (x < right))[None] & ((y > bottom) & (y < top))[:, None]
        wrong |= mask & (truth != found) & (truth != 255) & (found != 255)
    shown = np.asarray(view.photo().convert("L").convert("RGB")).copy()
    shown = np.asarray(shown // 2 + 110, np.uint8)
    shown[wrong] = (220, 30, 30)
    return side_by_side(view.photo(), Image.fromarray(shown))


def confidence(run: Run) -> Image.Image:
    """Photo, and the confidence: the darker, the less."""
    view = View((367_636, 5_807_364), 72)
    percent = view.raster(run.confidence).astype(float)
    grey = np.where(percent == 255, 225, np.clip((percent - 30) / 70, 0, 1) * 255)
    return side_by_side(view.photo(), Image.fromarray(np.asarray(grey, np.uint8)).convert("RGB"))


def outlines(run: Run) -> Image.Image:
    """One house: exact pixel outline, outline in the land cover without squaring, squared building."""
    view = View((367_633.5, 5_807_372.5), 16)
    exact, plain, squared = run.out / "demo_exact.gpkg", run.folder / "plain.gpkg", run.feature_files[0]
    return side_by_side(
        view.drawn(view.photo(), [(exact, "building", "yellow")]),
        view.drawn(view.photo(), [(plain, "buildings", "yellow")]),
        view.drawn(view.photo(), [(squared, "buildings", "yellow")]),
    )


def crowns(run: Run) -> Image.Image:
    """A clump of trees: true crowns, found crowns."""
    view = View((367_676, 5_807_367), 30)
    return side_by_side(
        view.photo(),
        view.drawn(view.photo(), [(SAMPLE / "truth.gpkg", "trees", "white")]),
        view.drawn(view.photo(), [(run.feature_files[0], "trees", "white")]),
    )


def streets(run: Run) -> Image.Image:
    """Centrelines: true ones in white, found ones in yellow."""
    view = View((367_636, 5_807_364), 72)
    truth = (SAMPLE / "truth.gpkg", "road_centrelines", "white")
    found = (run.feature_files[0], "road_centrelines", "yellow")
    return side_by_side(view.drawn(view.photo(), [truth], 3), view.drawn(view.photo(), [found], 3))


def main() -> None:
    """Run the demo and draw."""
    from geoseg.options import MosaicOptions
    from geoseg.stages.mosaic import mosaic

    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        run = demo(Path(folder), SAMPLE / "sheets").run
        mosaic(run, MosaicOptions(name="demo", square=False))
        (run.out / "demo.gpkg").rename(run.folder / "plain.gpkg")
        mosaic(run, MosaicOptions(name="demo", exact=True, overwrite=True))
        for draw in (errors, confidence, outlines, crowns, streets):
            draw(run).quantize(128).save(OUT / f"{draw.__name__}.png", optimize=True)
            print(OUT / f"{draw.__name__}.png")


if __name__ == "__main__":
    main()
