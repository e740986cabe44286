"""geoseg model."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar, Unpack

import click
from click.core import ParameterSource

from geoseg import parse
from geoseg.arrays import Json
from geoseg.cli.common import FILE, Read, table
from geoseg.cli.groups import Command, option

if TYPE_CHECKING:
    from geoseg.classes import ClassTable
    from geoseg.stages.exchange.import_ import CardFacts

T = TypeVar("T", str, float)


class Given(TypedDict):
    """The options of `geoseg model import`, as they are given."""

    architecture: str
    arguments: str
    name: str
    classes: str
    bands: str
    gsd: float | None
    gsd_range: tuple[float, ...] | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    patch: int | None
    overlap: int | None
    output: str
    licence: str


@click.group("model")
def command() -> None:
    """Look at, import, export and time model files."""


@command.command("info", cls=Command)
@click.argument("file", required=False, type=FILE)
@option("--json", "as_json", is_flag=True, help="The whole card as JSON.")
def info(file: Path | None, as_json: bool) -> None:
    """Print the card of a model FILE [default: the shipped network].

    \b
    geoseg model info potsdam.safetensors
    """
    from geoseg.models.files import load_model, shipped_model

    model = load_model(file or shipped_model())
    card = model.card
    if as_json:
        click.echo(json.dumps({**card.to_json(), "sha256": model.sha256}, indent=1))
        return
    rows = [
        ("name", card.name),
        ("architecture", f"{card.architecture} ({model.kind})"),
        ("bands", ", ".join(card.bands) + f", {card.dtype}"),
        ("GSD", f"{card.gsd:g} m; takes {card.gsd_range[0]:g} to {card.gsd_range[1]:g} m"),
        ("patch", f"{card.patch} px, overlap {card.overlap}, margin {card.margin}, multiples of {card.stride}"),
        (
            "tiled = whole",
            "no: output depends on the patch size" if card.patch_dependent else "yes: finite receptive field",
        ),
        ("good for", card.good_for or "not said"),
        ("not good for", card.not_good_for or "not said"),
        ("training", card.training or "not said"),
        *([("began as", card.parent)] if card.parent else []),
        ("licence", card.licence or "not said"),
        ("SHA-256", model.sha256),
    ]
    click.echo(table(rows))
    click.echo("classes:")
    click.echo(table([(f"{c.value} {c.name}", f"{c.hex} {c.role}") for c in card.classes.classes]))
    if card.metrics:
        click.echo("metrics:")
        for name, value in card.metrics.items():
            if name != "confusion":
                click.echo(f"  {name}: {value}")


@command.command("card", cls=Command)
@click.argument("file", required=False, type=FILE)
@option("-o", "--out", type=FILE, help="Write here instead of printing.")
@option("--stac", is_flag=True, help="A STAC item of the machine-learning model extension instead of Markdown.")
def card(file: Path | None, out: Path | None, stac: bool) -> None:
    """Print the card of a model FILE as Markdown or STAC [default: the shipped network].

    \b
    geoseg model card potsdam.safetensors -o card.md
    """
    from geoseg.commit import commit_bytes
    from geoseg.gis.model_card import markdown_card, mlm_item
    from geoseg.models.files import load_model, shipped_model

    model = load_model(file or shipped_model())
    if stac:
        created = datetime.fromtimestamp(int(model.path.stat().st_mtime), UTC).isoformat().replace("+00:00", "Z")
        text = json.dumps(mlm_item(model.card, model.sha256, model.path.name, created), indent=1) + "\n"
    else:
        text = markdown_card(model.card, model.sha256)
    if out is None:
        click.echo(text, nl=False)
    else:
        commit_bytes(out, text.encode())
        click.echo(out)


@command.command("export", cls=Command)
@click.argument("file", type=FILE)
@option("-o", "--out", required=True, type=FILE, help="NAME.onnx (opens in QGIS Deepness) or NAME.pt2.")
def export(file: Path, out: Path) -> None:
    """Write a model FILE as ONNX or torch.export, and check that it still gives the same classes.

    \b
    geoseg model export potsdam.safetensors -o potsdam.onnx
    """
    from geoseg.models.files import load_model
    from geoseg.stages.exchange.export import export_model

    share = export_model(load_model(file), out)
    click.echo(f"{out}: same class on {100 * share:.4f} % of a drawn scene")


@command.command("import", cls=Command)
@click.argument("file", type=FILE)
@option(
    "-o",
    "--out",
    type=FILE,
    help="NAME.safetensors [default: NAME.geoseg.safetensors beside FILE]; not for files that are used in place.",
)
@option("--architecture", default="", help="For weights: unet_s, deeplabv3_resnet50, unet/resnet18, ...")
@option("--arguments", default="{}", help="For weights: the network's arguments as JSON.")
@option("--name", default="", help="Name on the card [default: the file's].")
@option("--classes", default="", help="isprs, voc, cityscapes, or a JSON file of rows {value, name, colour, role}.")
@option("--bands", default="red,green,blue", show_default=True, help="Meaning of each band, in order.")
@option("--gsd", type=click.FloatRange(min=0, min_open=True), help="Metres on the ground it was trained at.")
@option(
    "--gsd-range",
    type=Read(parse.numbers("--gsd-range", float, 2)),
    help="Smallest and largest GSD it takes [default: 20 % around --gsd].",
)
@option(
    "--mean",
    type=Read(parse.numbers("--mean", float)),
    help="Mean per band, in units of the data [default: ImageNet's].",
)
@option("--std", type=Read(parse.numbers("--std", float)), help="Deviation per band [default: ImageNet's].")
@option(
    "--patch",
    type=click.IntRange(min=16),
    help="Patch side it was trained at [default: the one that the file is fixed to, else 512].",
)
@option("--overlap", type=click.IntRange(min=0), help="Overlap of patches [default: a quarter].")
@option(
    "--output",
    type=click.Choice(["logits", "probabilities"]),
    default="logits",
    show_default=True,
    help="What the network gives for each class: scores before the softmax, or after it.",
)
@option("--licence", default="", help="Licence of the weights.")
@option(
    "--card",
    "card_file",
    type=FILE,
    help="JSON with the card, or a STAC item of the machine-learning model extension, in place of the other facts.",
)
@click.pass_context
def import_(
    ctx: click.Context, /, file: Path, out: Path | None, card_file: Path | None, **given: Unpack[Given]
) -> None:
    """Make a foreign model FILE usable.

    Weights become NAME.safetensors; TorchScript, .pt2 and ONNX get a NAME.json beside them.

    \b
    geoseg model import city.onnx --classes isprs --gsd 0.1
    geoseg model import weights.pt --architecture unet/resnet18 --classes table.json --gsd 0.2
    """
    from geoseg.errors import UsageError
    from geoseg.models.files import read_card
    from geoseg.stages.exchange.import_ import card_from, import_model

    if card_file is None:
        made = card_from(file, _facts(file, given))
    else:
        _refuse_facts(ctx)
        if card_file.absolute() == file.absolute().with_suffix(".json"):
            what = "lies where the card of the model is written"
            raise UsageError(card_file, what, "it is read there without --card; or give it another name")
        made = read_card(card_file)
        if given["architecture"]:
            made = replace(made, architecture=given["architecture"], arguments=_arguments(given))
    path = import_model(file, out, made)
    click.echo(f"{path}: ready; try geoseg infer RUN --model {path}")


def _refuse_facts(ctx: click.Context) -> None:
    """Refuse options that say what the file of --card says, too."""
    from geoseg.errors import UsageError

    said = [p for p in ctx.params if ctx.get_parameter_source(p) is ParameterSource.COMMANDLINE]
    other = sorted(set(said) - {"file", "out", "card_file", "architecture", "arguments"})
    if other:
        what = f"says what --{other[0].replace('_', '-')} says, too"
        raise UsageError("--card", what, "give one of them; correct the card where it is wrong")


def _arguments(given: Given) -> Json:
    """The arguments of the network."""
    from geoseg.errors import UsageError

    try:
        arguments: Json = json.loads(given["arguments"])
    except ValueError as error:
        raise UsageError("--arguments", f"is not JSON: {error}", """for instance '{"width": 32}'""") from error
    return arguments


def _facts(file: Path, given: Given) -> CardFacts:
    """Options as facts; what is missing is asked for on a terminal and refused elsewhere."""
    from geoseg.stages.exchange.import_ import CardFacts

    classes = given["classes"] or _ask(file, "classes", "Classes (isprs, voc, cityscapes or a JSON file)", str)
    gsd = given["gsd"] or _ask(file, "gsd", "Metres on the ground per pixel", float)
    architecture = given["architecture"]
    if not architecture and file.suffix in (".safetensors", ".pth", ".ckpt") and not file.is_dir():
        architecture = _ask(file, "architecture", "Architecture", str)
    return CardFacts(
        classes=_classes(classes),
        gsd=float(gsd),
        architecture=architecture,
        arguments=_arguments(given),
        name=given["name"],
        bands=tuple(b.strip() for b in given["bands"].split(",")),
        gsd_range=given["gsd_range"],
        mean=given["mean"],
        std=given["std"],
        patch=given["patch"],
        overlap=given["overlap"],
        output=given["output"],
        licence=given["licence"],
    )


def _ask(file: Path, key: str, question: str, kind: type[T]) -> T:
    """Ask for a fact on a terminal."""
    from geoseg.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(file, f"does not say its {key}", f"give --{key}")
    answer: T = click.prompt(question, type=kind)
    return answer


def _classes(text: str) -> ClassTable:
    """The class table of a name or a JSON file."""
    from geoseg.classes import ClassTable
    from geoseg.datasets.public import TABLES
    from geoseg.errors import UsageError

    if text in TABLES:
        return TABLES[text]
    try:
        return ClassTable.from_json(json.loads(Path(text).read_text()))
    except (OSError, ValueError) as error:
        raise UsageError(
            "--classes", f"{text!r}: {error}", "give isprs, voc, cityscapes or a JSON file of rows"
        ) from error


@command.command("bench", cls=Command)
@click.argument("file", required=False, type=FILE)
@option("--seconds", type=click.FloatRange(min=0.1), default=3.0, show_default=True, help="Time for each engine.")
def bench(file: Path | None, seconds: float) -> None:
    """Time a model FILE on each installed engine: CPU seconds with one thread [default: the shipped network].

    \b
    geoseg model bench potsdam.safetensors
    """
    from geoseg.models.files import load_model, shipped_model
    from geoseg.stages.exchange.bench import bench_model

    click.echo(f"{'engine':<14}{'precision':<11}{'CPU s / patch':>14}{'CPU s / Mpx':>13}")
    for row in bench_model(load_model(file or shipped_model()), seconds):
        click.echo(f"{row.engine:<14}{row.precision:<11}{row.per_patch:>14.3f}{row.per_megapixel:>13.3f}")
