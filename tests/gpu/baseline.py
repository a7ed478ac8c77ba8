"""``python -m tests.gpu.baseline``: a CLIP ViT-L/14 on this GPU, transformers in FP16 beside TensorRT's engines.

Random weights: only the shape counts.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from tests.bench.table import Table
from transformers import CLIPVisionConfig, CLIPVisionModel

from pigeon_calibration.int8.activations import observe
from pigeon_calibration.int8.prepare import prepare
from pigeon_calibration.int8.quantize import linear_inputs, quantize
from pigeon_edge.encoders.tensorrt.api import installed_flavour, load_tensorrt
from pigeon_edge.encoders.tensorrt.encoder import TensorRtEncoder
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.graph.to_onnx import to_onnx

BATCHES = (1, 8, 32)
ROUNDS = 30
CELLS = 2000


def main() -> None:
    """Print the table."""
    if not torch.cuda.is_available():
        sys.exit("expected an NVIDIA GPU that torch sees, found none; run this on a machine with one")
    torch.manual_seed(0)
    tower = _vit_l_14().eval()
    with tempfile.TemporaryDirectory() as folder:
        plans = _plans(tower, Path(folder))
        rows = [*_transformers_rows(tower), *(row for name, plan in plans.items() for row in _engine_rows(name, plan))]
    note = f"ViT-L/14, 224 px, random weights, on {torch.cuda.get_device_name()}; engines with copies of the pixels."
    print(Table("ViT-L/14 on a GPU", note, ("runs on", "batch", "ms per image"), tuple(rows)).to_markdown())


def _vit_l_14() -> CLIPVisionModel:
    """The shape of openai/clip-vit-large-patch14 (Radford et al. 2021)."""
    config = CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, image_size=224,
        patch_size=14,
    )  # fmt: skip
    return CLIPVisionModel(config)


def _transformers_rows(tower: CLIPVisionModel) -> Iterator[tuple[str | float, ...]]:
    half = tower.to("cuda", torch.float16)
    for batch in BATCHES:
        pixels = torch.randn(batch, 3, 224, 224, device="cuda", dtype=torch.float16)
        yield "transformers, FP16", batch, 1000 * _seconds(partial(half, pixel_values=pixels)) / batch


def _engine_rows(precision: str, plan: Path) -> Iterator[tuple[str | float, ...]]:
    rng = np.random.default_rng(0)
    with TensorRtEncoder(load_tensorrt(installed_flavour()), plan.read_bytes) as encoder:
        for batch in BATCHES:
            pixels = rng.integers(0, 256, (batch, 224, 224, 3), dtype=np.uint8)
            yield f"TensorRT, {precision}", batch, 1000 * _seconds(partial(encoder.encode, pixels)) / batch


def _seconds(way: Callable[[], object]) -> float:
    """Return the seconds of a call on the GPU: the mean of many, after a few that warm up."""
    with torch.inference_mode():
        for _ in range(5):
            way()
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(ROUNDS):
            way()
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / ROUNDS


def _plans(tower: CLIPVisionModel, folder: Path) -> dict[str, Path]:
    """Write the tower's INT8 graph, and what ``export engine`` builds of it in either precision."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(CELLS, 1024)).astype(np.float32)
    full = to_onnx(tower, PreprocessSpec(224), {"cells.weight": weight, "cells.bias": np.zeros(CELLS, np.float32)})
    seen = [rng.integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)]
    found = prepare(full, lambda graph: observe(graph, linear_inputs(graph), seen))
    graph = folder / "encoder.int8.onnx"
    onnx.save_model(quantize(found.graph, found.scales), str(graph))
    plans = {precision: folder / f"{precision}.plan" for precision in ("int8", "fp16")}
    for precision, plan in plans.items():
        command = [sys.executable, "-m", "pigeon_edge", "export", "engine", str(graph), "--precision", precision]
        subprocess.run([*command, "--out", str(plan)], check=True)
    return plans


if __name__ == "__main__":
    main()
