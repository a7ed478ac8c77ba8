"""A CLIP vision tower and its heads as one ONNX graph, built from the weights and shaped for TensorRT's fusions.

    pixels (N, S, S, 3) uint8
      > patch_embedding        one Conv; normalisation is folded into its weights and bias (exact: it pads nothing)
      > positions              the class token is part of the position table, on the token that Pad adds in front
      > layers.K.norm1, .qkv   one GEMM for Q, K and V; the attention scale is folded into Q
      > .scores, .softmax, .context, .attention_output, .residual1
      > .norm2, .fc1, .activation, .fc2, .residual2
      > image_embedding (N, D) mean over all tokens, without post-layernorm or projection (as PIGEON does); or, by
                               another ``Readout``, .class_token, .post_norm, readout.K and a length of 1 (as CLIP does)
      > cell_logits (N, C)     head.cells, where the model has heads
      > regressions, climate_logits, month_logits   where it has those heads; see ``heads.py``

A tensor carries the name of the node that makes it; ``layers.3.qkv.weight`` and ``layers.3.qkv.bias`` are the weights
of ``layers.3.qkv``. Every shape but N is a constant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from transformers import CLIPVisionConfig, CLIPVisionModel

from pigeon_edge.answer.environment import GRAPH_METADATA_KEY as ENVIRONMENT_KEY
from pigeon_edge.answer.environment import EnvironmentSettings
from pigeon_edge.errors import InputError
from pigeon_edge.files import check_files, replacing
from pigeon_edge.images.preprocess import GRAPH_METADATA_KEY, PreprocessSpec
from pigeon_export.graph.heads import GraphHead, environment_of, graph_heads
from pigeon_export.graph.readout import MEAN_TOKENS, MeanTokens, Readout
from pigeon_training.data.tasks import RegressionScale
from pigeon_training.model.exported_tower import HeadArrays, load_tower, read_heads, read_spec
from pigeon_training.model.model_folder import read_scale

__all__ = ["export_folder", "load_tower", "read_heads", "read_spec", "to_onnx"]

OPSET = 20
"""The highest opset that TensorRT 10.3 reads (onnx-tensorrt, docs/operators.md), and the first with Gelu."""

IR_VERSION = 9
"""The ONNX file format that came with opset 20 (onnx, docs/Versioning.md)."""

MAX_WEIGHT_BYTES = 2**31 - 2**24
"""What protobuf can hold in one file, less 16 MiB for everything but the weights."""

Weights: TypeAlias = Mapping[str, npt.NDArray[np.float32]]


def export_folder(model: str, out: Path) -> None:
    """Write the ONNX graph of a folder or hub id in transformers' format, with its heads where it has them.

    Raises InputError where the model cannot be read or has a shape that the graph cannot express, UsageError where
    ``out`` cannot be written or is a file of the model.
    """
    folder = Path(model)
    check_files([out], [*folder.glob("*.safetensors"), *folder.glob("*.bin"), *folder.glob("*.json")])
    tower = load_tower(model)
    spec, heads, scale = read_spec(model, tower), read_heads(folder), read_scale(folder)
    try:
        graph = to_onnx(tower, spec, heads, scale=scale)
    except InputError as error:
        raise InputError(f"{model}: {error}") from error
    with replacing(out) as scratch:
        onnx.save_model(graph, str(scratch))


def to_onnx(
    tower: CLIPVisionModel,
    spec: PreprocessSpec,
    heads: HeadArrays | None,
    readout: Readout = MEAN_TOKENS,
    scale: RegressionScale | None = None,
) -> onnx.ModelProto:
    """Return the graph of a tower and its heads, weights inside; ``scale`` is that of a head of regressions.

    Raises InputError on a shape it cannot express.
    """
    config = tower.config
    weights = {name.removeprefix("vision_model."): _array(tensor) for name, tensor in tower.state_dict().items()}
    width = readout.width(config.hidden_size)
    on_top = graph_heads(heads, scale, width)
    _check(config, spec, weights, on_top)
    graph = _Graph()
    hidden = _tokens(graph, weights, config, spec)
    for number in range(config.num_hidden_layers):
        prefix = f"encoder.layers.{number}."
        layer = {name.removeprefix(prefix): values for name, values in weights.items() if name.startswith(prefix)}
        hidden = _attention(graph, layer, f"layers.{number}", hidden, config)
        hidden = _mlp(graph, layer, f"layers.{number}", hidden, config)
    embedding = _embedding(graph, weights, config, hidden, readout)
    for head in on_top:
        _linear(graph, head.name, embedding, head.weight, head.bias, result=head.output)
    widths = {"image_embedding": width, **{head.output: len(head.bias) for head in on_top}}
    return _model(graph, spec, widths, environment_of(heads, scale))


class _Graph:
    """Nodes and weights in the order in which they are added. A tensor is named after the node that makes it."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, op: str, name: str, inputs: Sequence[str], attributes: Mapping[str, Any] | None = None) -> str:
        return self.add_many(op, name, inputs, [name], attributes)[0]

    def add_many(
        self, op: str, name: str, inputs: Sequence[str], outputs: list[str], attributes: Mapping[str, Any] | None = None
    ) -> list[str]:
        node = helper.make_node(op, inputs, outputs, name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in (attributes or {}).items())
        self.nodes.append(node)
        return outputs

    def floats(self, name: str, values: npt.ArrayLike) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name

    def integers(self, name: str, values: Sequence[int]) -> str:
        self.weights.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name


def _tokens(graph: _Graph, weights: Weights, config: CLIPVisionConfig, spec: PreprocessSpec) -> str:
    """Return the tokens (N, 1 + patches, D) that enter the first layer."""
    width, patch = config.hidden_size, config.patch_size
    kernel, bias = _fold_normalisation(weights["embeddings.patch_embedding.weight"], spec)
    table = weights["embeddings.position_embedding.weight"].copy()  # (1 + patches, D)
    table[0] += weights["embeddings.class_embedding"]
    floats = graph.add("Cast", "pixels.float", ["pixels"], {"to": TensorProto.FLOAT})
    planes = graph.add("Transpose", "pixels.planes", [floats], {"perm": [0, 3, 1, 2]})
    inputs = [planes, graph.floats("patch_embedding.weight", kernel), graph.floats("patch_embedding.bias", bias)]
    size = {"kernel_shape": [patch, patch], "strides": [patch, patch]}
    grid = graph.add("Conv", "patch_embedding", inputs, size)  # (N, D, H, W)
    flat = graph.add("Reshape", "patches.flat", [grid, graph.integers("patches.shape", [0, width, len(table) - 1])])
    patches = graph.add("Transpose", "patches", [flat], {"perm": [0, 2, 1]})
    tokens = graph.add("Pad", "tokens", [patches, graph.integers("tokens.padding", [0, 1, 0, 0, 0, 0])])
    placed = graph.add("Add", "positions", [tokens, graph.floats("positions.table", table)])
    return _norm(graph, "pre_norm", placed, weights, "pre_layrnorm", epsilon=config.layer_norm_eps)


def _attention(graph: _Graph, layer: Weights, name: str, hidden: str, config: CLIPVisionConfig) -> str:
    heads, width = config.num_attention_heads, config.hidden_size
    normed = _norm(graph, f"{name}.norm1", hidden, layer, "layer_norm1", epsilon=config.layer_norm_eps)
    weight, bias = _fold_scale(layer, width // heads)
    joined = _linear(graph, f"{name}.qkv", normed, weight, bias)
    query, key, value = _heads(graph, name, joined, _token_count(config), heads, width // heads)
    scores = graph.add("MatMul", f"{name}.scores", [query, key])
    softmax = graph.add("Softmax", f"{name}.softmax", [scores], {"axis": -1})
    context = graph.add("MatMul", f"{name}.context", [softmax, value])  # (N, heads, T, D / heads)
    together = graph.integers(f"{name}.tokens_shape", [0, _token_count(config), width])
    merged = graph.add("Transpose", f"{name}.context_tokens", [context], {"perm": [0, 2, 1, 3]})
    flat = graph.add("Reshape", f"{name}.context_flat", [merged, together])
    output = _linear(
        graph, f"{name}.attention_output", flat, layer["self_attn.out_proj.weight"], layer["self_attn.out_proj.bias"]
    )
    return graph.add("Add", f"{name}.residual1", [hidden, output])


def _heads(graph: _Graph, name: str, joined: str, tokens: int, heads: int, head_width: int) -> tuple[str, str, str]:
    """Return Q (N, H, T, D / H), K transposed (N, H, D / H, T) and V (N, H, T, D / H), cut out of QKV (N, T, 3 D).

    Q, K and V are first told apart as thirds of the heads. Where they are cut as thirds of the width, TensorRT-RTX 1.7
    computes QKV with the INT8 weights turned back into halves.
    """
    shape = graph.integers(f"{name}.heads_shape", [0, tokens, 3 * heads, head_width])
    split = graph.add("Reshape", f"{name}.qkv.heads", [joined, shape])
    ordered = graph.add("Transpose", f"{name}.qkv.transposed", [split], {"perm": [0, 2, 1, 3]})  # (N, 3 H, T, D / H)
    thirds = [ordered, graph.integers(f"{name}.split_sizes", [heads] * 3)]
    query, key, value = graph.add_many(
        "Split", f"{name}.split", thirds, [f"{name}.{part}" for part in ("q", "k", "v")], {"axis": 1}
    )
    return query, graph.add("Transpose", f"{name}.k.transposed", [key], {"perm": [0, 1, 3, 2]}), value


def _embedding(graph: _Graph, weights: Weights, config: CLIPVisionConfig, hidden: str, readout: Readout) -> str:
    """Return ``image_embedding`` (N, D), read out of the tokens (N, 1 + patches, D) that leave the last layer."""
    if isinstance(readout, MeanTokens):
        return graph.add("ReduceMean", "image_embedding", [hidden, graph.integers("token_axis", [1])], {"keepdims": 0})
    first = numpy_helper.from_array(np.array(0, np.int64), "class_token.index")
    graph.weights.append(first)
    token = graph.add("Gather", "class_token", [hidden, first.name], {"axis": 1})  # (N, D)
    vector = _norm(graph, "post_norm", token, weights, "post_layernorm", epsilon=config.layer_norm_eps)
    for number, layer in enumerate(readout.layers):
        vector = _linear(graph, f"readout.{number}", vector, layer.weight, layer.bias)
        if layer.rectified:
            vector = graph.add("Relu", f"readout.{number}.rectified", [vector])
    length = graph.add("ReduceL2", "readout.length", [vector, graph.integers("width_axis", [1])], {"keepdims": 1})
    return graph.add("Div", "image_embedding", [vector, length])


def _mlp(graph: _Graph, layer: Weights, name: str, hidden: str, config: CLIPVisionConfig) -> str:
    normed = _norm(graph, f"{name}.norm2", hidden, layer, "layer_norm2", epsilon=config.layer_norm_eps)
    wide = _linear(graph, f"{name}.fc1", normed, layer["mlp.fc1.weight"], layer["mlp.fc1.bias"])
    active = _ACTIVATIONS[config.hidden_act](graph, f"{name}.activation", wide)
    narrow = _linear(graph, f"{name}.fc2", active, layer["mlp.fc2.weight"], layer["mlp.fc2.bias"])
    return graph.add("Add", f"{name}.residual2", [hidden, narrow])


def _quick_gelu(graph: _Graph, name: str, x: str) -> str:
    """Add x * sigmoid(1.702 x) (Hendrycks and Gimpel 2016)."""
    scaled = graph.add("Mul", f"{name}.scaled", [x, graph.floats(f"{name}.slope", 1.702)])
    return graph.add("Mul", name, [x, graph.add("Sigmoid", f"{name}.gate", [scaled])])


def _gelu(graph: _Graph, name: str, x: str) -> str:
    return graph.add("Gelu", name, [x])


_ACTIVATIONS = {"quick_gelu": _quick_gelu, "gelu": _gelu}


def _linear(
    graph: _Graph,
    name: str,
    x: str,
    weight: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
    *,
    result: str = "",
) -> str:
    """Add x @ weight.T + bias; ``weight`` is (out, in) as torch keeps it, (in, out) in the graph."""
    product = graph.add("MatMul", name, [x, graph.floats(f"{name}.weight", weight.T)])
    return graph.add("Add", result or f"{name}.sum", [product, graph.floats(f"{name}.bias", bias)])


def _norm(graph: _Graph, name: str, x: str, weights: Weights, key: str, *, epsilon: float) -> str:
    scale, bias = (graph.floats(f"{name}.{part}", weights[f"{key}.{part}"]) for part in ("weight", "bias"))
    settings = {"axis": -1, "epsilon": epsilon}
    return graph.add("LayerNormalization", name, [x, scale, bias], settings)


def _fold_normalisation(kernel: npt.NDArray[np.float32], spec: PreprocessSpec) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    """Return kernel (D, 3, P, P) and bias (D,) that take 0..255 instead of (pixel / 255 - mean) / std."""
    mean, std = (np.asarray(values, np.float64)[:, None, None] for values in (spec.mean, spec.std))
    return kernel / (255 * std), -(kernel * (mean / std)).sum(axis=(1, 2, 3))


def _fold_scale(layer: Weights, head_width: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return weight (3 D, D) and bias (3 D,) of Q, K and V; the attention scale is in Q's part."""
    scales = {"q": np.float32(head_width**-0.5), "k": np.float32(1), "v": np.float32(1)}
    weight, bias = (
        np.concatenate([layer[f"self_attn.{letter}_proj.{part}"] * scale for letter, scale in scales.items()])
        for part in ("weight", "bias")
    )
    return weight, bias


def _token_count(config: CLIPVisionConfig) -> int:
    return int((config.image_size // config.patch_size) ** 2 + 1)


def _model(
    graph: _Graph, spec: PreprocessSpec, widths: Mapping[str, int], environment: EnvironmentSettings | None
) -> onnx.ModelProto:
    size = spec.size_px
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", size, size, 3])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]) for name, width in widths.items()
    ]
    proto = helper.make_graph(graph.nodes, "pigeon_edge.encoder", [pixels], outputs, graph.weights)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(proto, opset_imports=[opset], ir_version=IR_VERSION, producer_name="pigeon-edge")
    told = {ENVIRONMENT_KEY: json.dumps(environment.to_json())} if environment else {}
    helper.set_model_props(model, {GRAPH_METADATA_KEY: json.dumps(spec.to_json()), **told})
    return model


def _check(config: CLIPVisionConfig, spec: PreprocessSpec, weights: Weights, heads: Sequence[GraphHead]) -> None:
    if config.hidden_act not in _ACTIVATIONS:
        names = " or ".join(_ACTIVATIONS)
        raise InputError(f"expected the activation {names}, found {config.hidden_act!r}; give a CLIP model")
    if spec.size_px != config.image_size:
        raise InputError(f"expected a spec of the tower's {config.image_size} px, found {spec.size_px} px; mend it")
    on_top = [values for head in heads for values in (head.weight, head.bias)]
    size = sum(values.nbytes for values in (*weights.values(), *on_top))
    if size > MAX_WEIGHT_BYTES:
        raise InputError(f"expected at most {MAX_WEIGHT_BYTES} bytes of weights, found {size}; take a smaller tower")


def _array(tensor: torch.Tensor) -> npt.NDArray[np.float32]:
    return np.asarray(tensor.detach().float().cpu().numpy(), np.float32)
