"""What ImageNet weights are worth: the default model's recipe, shortened, from them and from scratch.

    python benchmarks/imagenet_start.py [--steps 500] [--only imagenet|scratch]

Needs what configs/default_model.yaml needs. Scores: validation sets and the Munich street that no training saw.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from geoseg.learn.settings import Stage, load_settings
from geoseg.stages.evaluate.evaluate import EvaluateOptions, evaluate_model
from geoseg.stages.train.train import train

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "configs" / "default_model.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--only", choices=("imagenet", "scratch"))
    options = parser.parse_args()
    whole = load_settings(CONFIG)
    data = [d for d in whole.data if d.name not in ("frozen scenes", "banepa 6.6 cm")]
    for name in [options.only] if options.only else ["imagenet", "scratch"]:
        weights = whole.model.backbone_weights if name == "imagenet" else None
        config = whole.model_copy(
            update={
                "data": data,
                "model": whole.model.model_copy(update={"backbone_weights": weights}),
                "stages": [Stage(steps=options.steps, rate=1e-3 if weights else 2e-3)],
                "validate_every": options.steps,
            }
        )
        out = ROOT / "runs" / f"start_{name}"
        out.mkdir(parents=True, exist_ok=True)
        if not (out / "cache").exists():
            (out / "cache").symlink_to(ROOT / "runs" / "default_model" / "cache")  # the same scenes
        train(config, out)
        scores = {}
        for split in ("validation", "test"):
            report = evaluate_model(
                out / "model.safetensors", config, EvaluateOptions(split=split), out / "cache"
            ).report
            for group, part in report.get("sets", {"munich street": report}).items():
                scores[group] = part
        town, drawn, street = scores["banepa"], scores["held-out scenes"], scores["munich street"]["objects"]["car"]
        print(
            f"{name:>9} {options.steps} steps: Banepa building IoU {town['classes']['building']['iou']:.3f}, "
            f"drawn scenes mIoU {drawn['mean_iou']:.3f}, "
            f"vehicles recall {street['recall']:.3f} precision {street['precision']:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
