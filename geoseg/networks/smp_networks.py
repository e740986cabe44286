"""Networks of segmentation_models_pytorch as `DECODER/ENCODER`, such as `unet/resnet18`, where it is installed."""

from __future__ import annotations

import importlib.util
import inspect
import re

from torch import nn

from geoseg.errors import EnvironmentFault, UsageError

__all__ = ["SMP_DECODERS", "smp_network"]

SMP_DECODERS = {
    "unet": "Unet",
    "unetplusplus": "UnetPlusPlus",
    "manet": "MAnet",
    "linknet": "Linknet",
    "fpn": "FPN",
    "pspnet": "PSPNet",
    "pan": "PAN",
    "deeplabv3": "DeepLabV3",
    "deeplabv3plus": "DeepLabV3Plus",
    "upernet": "UPerNet",
    "segformer": "Segformer",
    "dpt": "DPT",
}
"""Classes of decoders by the word before the slash."""


def smp_network(name: str, bands: int = 3, classes: int = 6, **arguments: object) -> nn.Module:
    """Network DECODER/ENCODER with random weights; nothing is downloaded.

    Raises:
        EnvironmentFault: the package is not installed.
        UsageError: there is no such decoder or encoder, or it refuses the arguments.
    """
    decoder, _, encoder = name.partition("/")
    if decoder not in SMP_DECODERS:
        raise UsageError(name, "is no known decoder", f"known: {', '.join(SMP_DECODERS)}, each followed by /ENCODER")
    if importlib.util.find_spec("segmentation_models_pytorch") is None:
        raise EnvironmentFault(name, "needs segmentation_models_pytorch", "pip install 'geoseg[smp]'")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", encoder):  # timm takes "hf-hub:..." for an address, "local-dir:..." too
        raise UsageError(name, f"has an encoder named {encoder!r}", "expected the name of an encoder, such as resnet18")
    import segmentation_models_pytorch as smp

    make = getattr(smp, SMP_DECODERS[decoder])
    known = {n for n, p in inspect.signature(make).parameters.items() if p.kind is not p.VAR_KEYWORD}
    unknown = sorted(set(arguments) - known)  # they would reach timm, which opens files that arguments name
    if unknown:
        raise UsageError(
            name, f"does not take the arguments {', '.join(unknown)}", f"known: {', '.join(sorted(known))}"
        )
    try:
        network: nn.Module = make(
            encoder_name=encoder, encoder_weights=None, in_channels=bands, classes=classes, **arguments
        )
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(
            name,
            f"cannot be built: {str(error).splitlines()[0][:200]}",
            "see segmentation_models_pytorch's list of encoders",
        ) from error
    return network
