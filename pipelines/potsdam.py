"""ISPRS Potsdam from the unpacked release to maps: train, score the test sheets, then tile, infer and mosaic them.

    python pipelines/potsdam.py data/potsdam runs/potsdam [--config configs/potsdam_unet_resnet18.yaml]

Training takes an hour on a GPU; everything goes on where it stopped. The scores leave out clutter and treat
boundaries as the config says; the report holds both.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from geoseg.errors import GeosegError
from geoseg.learn.settings import TrainConfig, load_settings
from geoseg.night.stages import run_stages
from geoseg.options import InferOptions, MosaicOptions, RunOptions
from geoseg.stages.evaluate.evaluate import EvaluateOptions, evaluate_model
from geoseg.stages.evaluate.report import write_evaluation
from geoseg.stages.train.train import train


def settings_of(config: Path, release: Path) -> TrainConfig:
    """The config, with its first data set read from this release."""
    settings = load_settings(config)
    first = settings.data[0].model_copy(update={"root": release.resolve()})
    return settings.model_copy(update={"data": [first, *settings.data[1:]]})


def potsdam(release: Path, out: Path, config: Path, pictures: list[Path]) -> int:
    """Train, evaluate, map; returns the exit code."""
    settings = settings_of(config, release)
    model = train(settings, out / "model", print).model
    scores = evaluate_model(model, settings, EvaluateOptions(split="test"), out / "cache")
    write_evaluation(out / "scores", scores)
    print(f"mean IoU {scores.report['mean_iou']:.4f} on the test sheets")
    options = RunOptions(infer=InferOptions(model=(model,)), mosaic=MosaicOptions(name="potsdam"))
    done = run_stages(pictures, out / "map", options)
    return 0 if done.complete else 3


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--config", type=Path, default=Path("configs/potsdam_unet_resnet18.yaml"))
    parser.add_argument("--sheets", type=Path, nargs="+", help="what to map [default: RELEASE/2_Ortho_RGB]")
    options = parser.parse_args()
    try:
        pictures = options.sheets or [options.release / "2_Ortho_RGB"]
        return potsdam(options.release, options.out, options.config, pictures)
    except GeosegError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
