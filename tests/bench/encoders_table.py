"""Milliseconds of encoding an image: engines and precisions beside transformers in eager mode."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from tests.bench.table import Table
from tests.bench.timing import Timing, compare
from transformers import CLIPVisionConfig, CLIPVisionModel

from pigeon_calibration.gate.parity import cosine_per_row
from pigeon_calibration.int8.activations import observe
from pigeon_calibration.int8.prepare import prepare
from pigeon_calibration.int8.quantize import linear_inputs, quantize
from pigeon_calibration.runner import Runner
from pigeon_edge.encoders import Encoder, Engine, open_graph
from pigeon_edge.encoders.select import on_processor
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.graph.to_onnx import to_onnx
from pigeon_export.parity.torch_reference import TorchEncoder
from pigeon_training.model.exported_tower import HeadArrays
from pigeon_training.model.geocell_model import new_tower
from pigeon_training.presets import TOY_FULL

Pixels = npt.NDArray[np.uint8]

BATCHES = (1, 8)
TORCH_THREADS = 2
EAGER = ("transformers", "FP32")
ENGINES = {Engine.OPENVINO: "OpenVINO", Engine.ONNXRUNTIME: "ONNX Runtime"}
GRAPHS = {"FP32": "encoder.onnx", "INT8": "encoder.int8.onnx"}


@dataclass(frozen=True)
class Model:
    """A model with random weights: only its shape counts. A large one is measured in fewer ``rounds``."""

    name: str
    tower: CLIPVisionModel
    cells: int
    rounds: int = 9


def encoders_table() -> Table:
    """Measure every model at both batches."""
    torch.set_num_threads(TORCH_THREADS)
    torch.manual_seed(0)
    rows = [row for model in (_toy, vit_b_32, _vit_l_14_336) for row in _rows(model())]
    return Table(
        "Encoding",
        "Random weights and pixels; medians of 9 interleaved rounds, of 3 for ViT-L/14. transformers is torch in eager "
        f"mode with {TORCH_THREADS} threads; x is how many times quicker than it at the same model and batch. Cosine: "
        f"the least of an embedding with the graph's own as it is written, Q/DQ in float32. {_choice(rows)}",
        ("model", "batch", "engine", "precision", "ms per image", "x transformers", "cosine"),
        tuple(rows),
    )


def _choice(rows: Sequence[tuple[str | float, ...]]) -> str:
    """Return what ``--engine auto`` takes here, and by how much it is slower than the quickest INT8 at the most."""
    chosen, slower = ENGINES[on_processor()], 1.0
    for case in {row[:2] for row in rows}:
        ms = {str(row[2]): float(row[4]) for row in rows if row[:2] == case and row[3] == "INT8"}
        slower = max(slower, ms[chosen] / min(ms.values()))
    return f"`--engine auto` takes {chosen} here, at most {slower - 1:.0%} slower than the quickest INT8."


def _toy() -> Model:
    return Model("toy planet, 96 px", new_tower(TOY_FULL.tower), 300)


def vit_b_32() -> Model:
    """The shape of openai/clip-vit-base-patch32 (Radford et al. 2021), with as many geocells as PIGEON."""
    config = CLIPVisionConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, image_size=224,
        patch_size=32,
    )  # fmt: skip
    return Model("ViT-B/32, 224 px", CLIPVisionModel(config), 2000)


def _vit_l_14_336() -> Model:
    """The shape of openai/clip-vit-large-patch14-336 (Radford et al. 2021), PIGEON's own, with as many geocells."""
    config = CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, image_size=336,
        patch_size=14,
    )  # fmt: skip
    return Model("ViT-L/14, 336 px", CLIPVisionModel(config), 2000, rounds=3)


def _rows(model: Model) -> Iterator[tuple[str | float, ...]]:
    spec = PreprocessSpec(model.tower.config.image_size)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        encoders, exact = _encoders(model, spec, _pixels(rng, 16, spec), Path(folder)), _exact(Path(folder))
        for batch in BATCHES:
            pixels = _pixels(rng, batch, spec)
            calls = {" ".join(key): _call(encoder, pixels) for key, encoder in encoders.items()}
            found = compare(calls, " ".join(EAGER), model.rounds)
            for key, encoder in encoders.items():
                yield _row(model.name, batch, key, found[" ".join(key)], _cosine(encoder, exact[key[1]], pixels))


def _row(name: str, batch: int, key: tuple[str, str], timing: Timing, cosine: float) -> tuple[str | float, ...]:
    return name, batch, *key, timing.seconds * 1000 / batch, timing.ratio, f"{cosine:.6f}"


def _cosine(encoder: Encoder, exact: Encoder, pixels: Pixels) -> float:
    return float(cosine_per_row(encoder.encode(pixels).embedding, exact.encode(pixels).embedding).min())


def _exact(folder: Path) -> dict[str, Encoder]:
    """Return the graphs as they are written, by precision."""
    return {precision: Runner(onnx.load_model(str(folder / name))) for precision, name in GRAPHS.items()}


def _encoders(model: Model, spec: PreprocessSpec, seen: Pixels, folder: Path) -> dict[tuple[str, str], Encoder]:
    """Return encoders by engine and precision; the INT8 graph is calibrated on the pixels ``seen``."""
    heads = random_heads(model)
    graphs = write_graphs(model, spec, heads, seen, folder)
    ours: dict[tuple[str, str], Encoder] = {
        (name, precision): open_graph(graph, engine)
        for engine, name in ENGINES.items()
        for precision, graph in graphs.items()
    }
    return {EAGER: TorchEncoder(model.tower, spec, heads), **ours}


def random_heads(model: Model) -> HeadArrays:
    """Return a head of geocells."""
    weight = np.random.default_rng(0).normal(size=(model.cells, model.tower.config.hidden_size)).astype(np.float32)
    return {"cells.weight": weight, "cells.bias": np.zeros(model.cells, np.float32)}


def write_graphs(model: Model, spec: PreprocessSpec, heads: HeadArrays, seen: Pixels, folder: Path) -> dict[str, Path]:
    """Write the graph in FP32, and in INT8 calibrated on the pixels ``seen``; return the files by precision."""
    full = to_onnx(model.tower, spec, heads)
    prepared = prepare(full, lambda graph: observe(graph, linear_inputs(graph), np.array_split(seen, 4)))
    graphs = {precision: folder / name for precision, name in GRAPHS.items()}
    onnx.save_model(full, str(graphs["FP32"]))
    onnx.save_model(quantize(prepared.graph, prepared.scales), str(graphs["INT8"]))
    return graphs


def _pixels(rng: np.random.Generator, count: int, spec: PreprocessSpec) -> Pixels:
    return rng.integers(0, 256, (count, spec.size_px, spec.size_px, 3), dtype=np.uint8)


def _call(encoder: Encoder, pixels: Pixels) -> Callable[[], object]:
    return partial(encoder.encode, pixels)
