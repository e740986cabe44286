"""Make the network that geoseg ships: train it, measure it on ground it never saw, and pack it with its card.

    python pipelines/default_model.py train    # hours on a CPU; goes on where it stopped
    python pipelines/default_model.py calibrate  # the temperature at which it is as sure as it is right on real ground
    python pipelines/default_model.py measure  # scores and pictures of errors of every data set, in runs/default_model/
    python pipelines/default_model.py pack     # geoseg/weights/NAME.safetensors with its card
    python pipelines/default_model.py contact  # learns where buildings meet, on top of it; its classes keep their bits
    python pipelines/default_model.py houses   # counts attached houses one by one, on the strip that it never saw
    python pipelines/default_model.py add      # adds both to geoseg/weights/NAME.safetensors and its card

configs/default_model.yaml and configs/contact.yaml name the data, which lie under data/. benchmarks/real_points/ says
on which real places the network is chosen (tune) and on which it is scored (test); none of them is learned from.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from geoseg.arrays import Json
from geoseg.classes import ISPRS
from geoseg.learn.settings import TrainConfig, load_settings
from geoseg.models.files import load_model, save_model
from geoseg.networks import geometry_of
from geoseg.stages.evaluate.evaluate import EvaluateOptions, evaluate_model
from geoseg.stages.evaluate.report import write_evaluation
from geoseg.stages.train.train import train

ROOT = Path(__file__).resolve().parent.parent
CONFIG, RUN = ROOT / "configs" / "default_model.yaml", ROOT / "runs" / "default_model"
CONTACT, CONTACT_RUN = ROOT / "configs" / "contact.yaml", ROOT / "runs" / "contact"
STRIP = {
    "north": "9520270.09,3202635.04,9520384.75,3202940.80",
    "south": "9520270.09,3202329.29,9520384.75,3202635.04",
}
MODEL, POINTS = RUN / "model.safetensors", ROOT / "benchmarks" / "real_points"

GOOD_FOR = (
    "RGB orthophotos of 4 to 25 cm with Potsdam's six classes: buildings, roads and fields of towns unlike Potsdam, "
    "too; a first map of the rest"
)
NOT_GOOD_FOR = (
    "clutter of any real place, trees in meadows and mountains, leafless woods: it misses most of them. Seen to go "
    "wrong: car parks and leafless woods taken for roofs, narrow yards between houses for roofs, false cars (a "
    "third of those found in an aerial photo of a city); half of the attached houses of an old town come out one by "
    "one. Other bands than RGB, obliques, satellite images, 60 cm and coarser"
)
LICENCE = (
    "Apache-2.0 for these weights. Made from: MobileNetV2 ImageNet weights, Apache-2.0 (google-coral/test_data), "
    "fine-tuned here; OpenAerialMap imagery of Banepa with building footprints, CC BY 4.0 (HOTOSM), (c) OpenStreetMap "
    "contributors; KIT AIS vehicle frames, CC BY 3.0 (KIT AIS Data Set); imagery of the National Ecological "
    "Observatory Network (NEON), CC0, with tree boxes of Weinstein et al., DeepForest / NeonTreeEvaluation, MIT / CC "
    "BY 4.0; photos of Brighton Beach by Piero Toffanin, BSD-2-Clause; generated scenes"
)


def config() -> TrainConfig:
    """The training config of the shipped network."""
    return load_settings(CONFIG)


def calibrate() -> None:
    """The temperature of the model of the run, from the reference points of `tune`."""
    subprocess.run([sys.executable, POINTS / "calibrate.py", MODEL, "--out", RUN / "temperature.json"], check=True)


def _calibrated() -> Path:
    """A copy of the model of the run with that temperature."""
    model, path = load_model(MODEL), RUN / "calibrated.safetensors"
    temperature = json.loads((RUN / "temperature.json").read_text())["temperature"]
    assert model.state is not None  # geoseg's own format holds weights
    save_model(path, model.state, replace(model.card, temperature=temperature))
    return path


def measure() -> None:
    """Scores of the validation and the test split, each data set by itself, and of the reference points of `test`."""
    model = _calibrated()
    scores: Json = {}
    for split in ("validation", "test"):
        found = evaluate_model(model, config(), EvaluateOptions(split=split), RUN / "cache")
        write_evaluation(RUN / split, found)
        scores |= {name: {**part, "split": split} for name, part in found.report["sets"].items()}
    (RUN / "scores.json").write_text(json.dumps(scores, indent=1))
    for name, part in scores.items():
        print(f"{name}: {_short(part)}")
    points = RUN / "points.json"
    subprocess.run([sys.executable, POINTS / "score.py", model, "--half", "test", "--out", points], check=True)


def _points() -> Json:
    """The scores of the reference points, as the card shows them: estimate and 95 % interval."""
    found: Json = {}
    for name, part in json.loads((RUN / "points.json").read_text()).items():
        found[name.split(", ")[-1]] = {k: [round(v, 3) for v in values] for k, values in part.items()}
    return found


def _short(part: Json) -> Json:
    """The scores of one data set, as the card shows them."""
    classes = {n: round(c["iou"], 4) for n, c in part["classes"].items() if c["iou"] is not None}
    objects = {
        f"{n} objects": {k: round(v, 3) if isinstance(v, float) else v for k, v in o.items() if v is not None}
        for n, o in part["objects"].items()
    }
    shown: Json = {"IoU": classes, **objects}
    if len(classes) > 1:
        shown = {
            "mean_iou": round(part["mean_iou"], 4),
            "overall_accuracy": round(part["overall_accuracy"], 4),
            **shown,
        }
    if "calibration" in part and len(classes) > 1:
        shown["expected_calibration_error"] = round(part["calibration"]["expected_error"], 4)
    return shown


def pack() -> None:
    """Put the trained weights into the package, with a card that says what they are good for."""
    model = load_model(_calibrated())
    geometry = geometry_of(model.card.architecture)
    settings = config()
    scores = json.loads((RUN / "scores.json").read_text())
    overlap = settings.model.overlap or model.card.overlap
    metrics: Json = {
        "real ground": {
            "protocol": (
                "reference points of benchmarks/real_points, test half: 7 places that no network learned from, read "
                "twice by a vision model; every place counts the same; [estimate, 95 % interval]"
            ),
            **_points(),
        },
        "protocol": (
            "all pixels with a label, classes with truth averaged (clutter included), "
            f"patches of {model.card.patch} px with overlap {overlap}, no TTA; "
            "vehicles: a found region of at least 1 m2 is right when its centre lies in a box; "
            "buildings as objects: IoU >= 0.5"
        ),
        "note": (
            "banepa strip: the eastern quarter of the labelled block, 100 m from any training pixel; its northern half "
            "helped to choose the weights, its southern half did not. banepa 6.6 cm: some of its buildings are not "
            "outlined. Footprints were drawn by hand, off by up to a metre. The confidence is made for real ground, by "
            "the temperature that suits the points of the tune half; on drawn scenes it says too little"
        ),
        **{name: _short(part) for name, part in scores.items()},
    }
    card = replace(
        model.card,
        name="unet_mobilenet_v2 towns 12 cm, version 0.2",
        margin=geometry.margin,
        overlap=overlap,
        training=model.card.training.replace("from shipped-0.1,", "from the network of version 0.1,"),
        classes=ISPRS,  # with the colours of maps
        gsd_range=settings.model.gsd_range or model.card.gsd_range,
        good_for=GOOD_FOR,
        not_good_for=NOT_GOOD_FOR,
        licence=LICENCE,
        metrics=metrics,
    )
    assert model.state is not None  # geoseg's own format holds weights
    path = ROOT / "geoseg" / "weights" / f"{model.card.architecture}.safetensors"
    print(path, save_model(path, model.state, card))


def contact() -> None:
    """Train the score `contact` on top of the packed network."""
    print(train(load_settings(CONTACT), CONTACT_RUN, print))


def houses() -> None:
    """Run the network with contact over both halves of the strip; the figures go to runs/contact/houses.json."""
    sheet, outlines = ROOT / "data/oam_banepa/banepa_z19_rgb.tif", ROOT / "data/oam_banepa/banepa_buildings_osm.geojson"
    found = {}
    for half, box in STRIP.items():
        run, figures = CONTACT_RUN / half, CONTACT_RUN / f"{half}.json"
        geoseg: list[str | Path] = [sys.executable, "-m", "geoseg", "run", sheet, "-o", run, "--bbox", box]
        subprocess.run([*geoseg, "--nodata", "255~2", "--model", CONTACT_RUN / "model.safetensors"], check=True)
        score: list[str | Path] = [sys.executable, ROOT / "benchmarks" / "attached_houses.py", "town", run, outlines]
        subprocess.run([*score, "--bbox", box, "--json", figures], check=True)
        found[half] = json.loads(figures.read_text())
    (CONTACT_RUN / "houses.json").write_text(json.dumps(found, indent=1))


def add() -> None:
    """Put contact into the packed network; all its other weights must be the same."""
    path = ROOT / "geoseg" / "weights" / f"{config().model.network}.safetensors"
    packed, taught = load_model(path), load_model(CONTACT_RUN / "model.safetensors")
    assert packed.state is not None  # geoseg's own format holds weights
    assert taught.state is not None
    assert all(taught.state[name].equal(weight) for name, weight in packed.state.items())
    found = json.loads((CONTACT_RUN / "houses.json").read_text())
    figures: Json = {
        "protocol": "buildings of whole runs against outlines drawn by hand, IoU >= 0.5; how houses are cut was chosen "
        "on the northern half, the southern half was looked at afterwards",
        **{
            f"banepa strip {half}, {name}": {k: round(v, 3) for k, v in scores.items()}
            for half, one in found.items()
            for name, scores in one.items()
        },
    }
    learned = f"then contact, all else frozen: {taught.card.training}"
    card = replace(
        packed.card,
        aux=taught.card.aux,
        training=f"{packed.card.training.split('; then contact')[0]}; {learned}",
        not_good_for=NOT_GOOD_FOR,
        metrics={**packed.card.metrics, "attached houses": figures},
    )
    print(path, save_model(path, taught.state, card))


STEPS = {f.__name__: f for f in (calibrate, measure, pack, contact, houses, add)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", *STEPS))
    what = parser.parse_args().what
    if what == "train":
        print(train(config(), RUN, print))
    else:
        STEPS[what]()


if __name__ == "__main__":
    main()
