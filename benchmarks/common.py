"""Parts that the benchmarks share: the sheet, the network, CPU time by thread, peak memory."""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

PATCH, OVERLAP = 512, 256


def sheet(path: Path, height: int = 6000, width: int = 6000) -> Path:
    """A uint8 RGB sheet, DEFLATE, 512 px tiles: a drawn scene, mirrored over and over."""
    import rasterio
    from rasterio.transform import Affine

    from geoseg.scenes.scene import Scene

    if path.exists():
        return path
    part = Scene(77, 100, 100, 0.1).tile(0, 0, 1000, 1000).image[..., :3]
    row = np.concatenate([part, part[:, ::-1]] * (width // 2000 + 1), axis=1)[:, :width]
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "count": 3, "height": height, "width": width, "dtype": "uint8", "crs": "EPSG:25833"}
    profile |= {"transform": Affine(0.1, 0, 367_000, 0, -0.1, 5_807_000), "compress": "deflate", "predictor": 2}
    profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "bigtiff": "if_safer", "interleave": "pixel"}
    with rasterio.open(path, "w", **profile) as dataset:
        for i, top in enumerate(range(0, height, 1000)):
            rows = (row if i % 2 == 0 else row[::-1])[: height - top]
            dataset.write(np.moveaxis(rows, 2, 0), window=((top, top + len(rows)), (0, width)))
    return path


def lraspp():
    """Torchvision's LRASPP MobileNetV3, random weights, as it is: unfused, (B, 3, H, W) -> (B, 6, H, W)."""
    import torch
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    torch.manual_seed(0)
    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=6).eval()

    class Out(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x)["out"]

    return Out(network).eval()


def model_file(folder: Path) -> Path:
    """The network as TorchScript with its card."""
    import torch

    from geoseg.classes import ISPRS

    path = folder / "lraspp.pt"
    folder.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode():
        torch.jit.trace(lraspp(), torch.zeros(1, 3, PATCH, PATCH)).save(str(path))
    card = {
        "name": "lraspp", "architecture": "torchscript", "classes": ISPRS.to_json(), "bands": ["red", "green", "blue"],
        "mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4], "gsd": 0.1, "gsd_range": [0.05, 0.2],
        "patch": PATCH, "overlap": OVERLAP, "margin": 0, "stride": 32,
    }  # fmt: skip
    path.with_suffix(".json").write_text(json.dumps(card))
    return path


def thread_seconds() -> dict[int, float]:
    """CPU seconds of each thread of this process (Linux)."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            found[int(task.name)] = int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue
    return found


def python_threads() -> set[int]:
    """Threads that Python started."""
    return {t.native_id for t in threading.enumerate() if t.native_id}


def peak_rss() -> float:
    """Largest resident memory of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's memory at the fork
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)
