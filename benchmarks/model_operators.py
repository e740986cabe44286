"""The operators that networks are made of: writes geoseg/models/foreign/operators.json out of a corpus.

    python benchmarks/model_operators.py [--check]

Networks of torchvision, segmentation_models_pytorch and timm are traced, scripted and exported; every name that their
code or graph holds goes on the list, and so do the usual functions of tensors and numbers below. Names that could reach
files, processes, devices or classes of their own are an error here. With --check nothing is written; it fails where the
corpus holds a name that the list lacks.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from torch import nn

from geoseg.models.foreign.archive import read_archive
from geoseg.models.foreign.program import GRAPH, operator_name
from geoseg.models.foreign.script import names_of

LIST = Path(__file__).parents[1] / "geoseg" / "models" / "foreign" / "operators.json"
ENCODERS = (
    *("resnet18", "resnext50_32x4d", "efficientnet-b0", "mobilenet_v2", "mit_b0", "densenet121", "vgg11_bn"),
    *("timm-resnest14d", "timm-regnety_002", "xception", "inceptionresnetv2", "dpn68", "se_resnet50", "mobileone_s0"),
    *("tu-convnext_atto", "tu-tf_efficientnetv2_b0", "tu-mobilenetv3_small_100", "tu-swin_tiny_patch4_window7_224"),
    *("tu-resnetv2_50", "tu-hrnet_w18_small", "tu-maxvit_nano_rw_256", "tu-efficientvit_b0", "tu-nfnet_l0"),
)
BACKBONES = (
    "resnet18",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "convnext_tiny",
    "swin_t",
    "vit_b_16",
    "regnet_y_400mf",
)
TIMM = ("vit_tiny_patch16_224", "deit3_small_patch16_224", "swin_tiny_patch4_window7_224", "convnextv2_atto")
DECODERS = ("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "PAN", "DeepLabV3", "DeepLabV3Plus", "UPerNet")
USUAL = """
abs acos add add_ addcdiv addcmul addmm alpha_dropout amax amin arange argmax argmin argsort asin atan atan2
avg_pool1d avg_pool2d avg_pool3d baddbmm batch_norm bitwise_and bitwise_not bitwise_or bmm bool
broadcast_tensors cat ceil celu chunk clamp clamp_ clamp_max clamp_min clone concat constant_pad_nd contiguous
conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d cos cumsum detach diagonal div div_
dropout dropout_ einsum elu elu_ embedding eq erf exp expand expand_as eye flatten flip float floor
floor_divide fmod full full_like gather ge gelu glu group_norm gt half hardsigmoid hardswish hardswish_
hardtanh hardtanh_ index index_select instance_norm int isfinite isinf isnan layer_norm le leaky_relu
leaky_relu_ lerp linalg_vector_norm linear linspace log log10 log1p log2 log_softmax logical_and logical_not
logical_or logical_xor logsumexp long lt masked_fill masked_select matmul max max_pool1d max_pool2d max_pool3d
maximum mean median meshgrid min minimum mish mm movedim mul mul_ narrow ne neg new_full new_ones new_zeros
norm ones ones_like pad permute pixel_shuffle pixel_unshuffle pow prelu prod range reciprocal relu relu6
relu6_ relu_ remainder repeat repeat_interleave replication_pad2d reflection_pad2d reshape roll round rsqrt
rsub scalar_tensor scaled_dot_product_attention scatter select selu selu_ sigmoid sigmoid_ sign silu silu_ sin
sinh size slice softmax softplus sort split split_with_sizes sqrt square squeeze stack std sub sub_ sum t take
tan tanh tanh_ tensor tensor_split tile to topk transpose tril triu true_divide type_as unbind unflatten
unfold unsqueeze upsample_bicubic2d upsample_bilinear2d upsample_nearest2d upsample_nearest_exact2d var view
view_as where zeros zeros_like adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d
affine_grid_generator grid_sampler append len dim numel item floordiv __and__ __contains__ __derive_index
__getitem__ __is__ __isnot__ __not__ __or__ __range_length format dict keys values items list copy extend
insert pop is_floating_point warn
""".split()  # noqa: SIM905 - easier to read than a list
NEVER = ("file", "save", "load", "open", "classes", "backend", "fork", "wait", "print", "cuda", "storage", "set_data")


class Wrap(nn.Module):
    """The map of scores of a network of torchvision."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (B, K, H, W)."""
        return self.network(x)["out"]


def networks() -> Iterator[tuple[str, nn.Module, int]]:
    """Name, network and side of a patch."""
    for name in torchvision.models.list_models(torchvision.models.segmentation):
        made = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=6)
        yield name, Wrap(made), 64
    for name in (
        "resnet18",
        "mobilenet_v3_small",
        "efficientnet_b0",
        "convnext_tiny",
        "swin_t",
        "vit_b_16",
        "regnet_y_400mf",
    ):
        yield name, torchvision.models.get_model(name, weights=None), 224
    for decoder in DECODERS:
        yield decoder, getattr(smp, decoder)("resnet18", encoder_weights=None, classes=6), 64
    yield "Segformer", smp.Segformer("mit_b0", encoder_weights=None, classes=6), 64
    yield "DPT", smp.DPT("tu-vit_base_patch16_224.augreg_in21k", encoder_weights=None, classes=6), 224
    for encoder in ENCODERS:
        side = 256 if "256" in encoder or "224" in encoder else 64
        try:
            yield encoder, smp.Unet(encoder, encoder_weights=None, classes=6), side
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            print(f"{encoder}: left out ({str(error).splitlines()[0][:80]})")
    for name in TIMM:
        yield name, timm.create_model(name, pretrained=False), 224


def script_names(module: torch.jit.ScriptModule) -> set[str]:
    """Names in the code of a TorchScript module."""
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    entries = read_archive(Path("module.pt"), buffer.getvalue())
    trees = [ast.parse(c) for n, c in entries.items() if n.startswith("code/") and n.endswith(".py")]
    own = {n.name for t in trees for n in ast.walk(t) if isinstance(n, ast.FunctionDef)}
    return {name for t in trees for name in names_of(t, own)}


def program_names(program: torch.export.ExportedProgram) -> set[str]:
    """Operators of an exported program."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    graph = json.loads(read_archive(Path("program.pt2"), buffer.getvalue())[GRAPH])
    return {operator_name(n["target"]) for n in graph["graph_module"]["graph"]["nodes"]}


def corpus() -> dict[str, str]:
    """Each name of the corpus, and the network in which it was met first."""
    found: dict[str, str] = {}
    for label, network, side in networks():
        network, x = network.eval(), torch.zeros(1, 3, side, side)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for how, names in (
                ("traced", lambda: script_names(torch.jit.trace(network, x, check_trace=False))),  # noqa: B023
                ("scripted", lambda: script_names(torch.jit.script(network))),  # noqa: B023
                ("exported", lambda: program_names(torch.export.export(network, (x,)))),  # noqa: B023
            ):
                try:
                    met = names()
                except Exception as error:  # not every network can be scripted or exported
                    print(f"{label}: not {how} ({str(error).splitlines()[0][:80]})")
                    continue
                for name in met:
                    found.setdefault(name, f"{label}, {how}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    found = corpus()
    odd = {n: w for n, w in found.items() if "::" not in n or any(word in n for word in NEVER)}
    for name, where in sorted(odd.items()):
        print(f"NOT LISTED {name} ({where})")
    print(f"{len(found)} names in the corpus")
    wanted = sorted((set(found) - set(odd)) | {f"aten::{n}" for n in USUAL})
    if check:
        missing = set(wanted) - set(json.loads(LIST.read_text()))
        raise SystemExit(f"missing: {sorted(missing)}" if missing else 0)
    LIST.write_text(json.dumps(wanted, indent=0) + "\n")
    print(f"wrote {len(wanted)} names to {LIST}")


if __name__ == "__main__":
    main()
