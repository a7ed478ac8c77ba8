"""What INT8 leaves of a tower whose channels are as loud as CLIP's: ours beside other quantizers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
from tests.bench.table import Table
from tests.loud_channels import (
    Shape,
    photographs,
    tower,
    with_loud_channels,
    with_loud_neurons,
    with_loud_tokens,
)

from pigeon_calibration.gate.parity import measure
from pigeon_calibration.int8.activations import observe
from pigeon_calibration.int8.prepare import prepare
from pigeon_calibration.int8.quantize import linear_inputs, linears, quantize
from pigeon_edge.images.preprocess import Pixels

PHOTOGRAPHS = 32
BATCH = 8
LOUD = 6

Spoil = Callable[[onnx.ModelProto], onnx.ModelProto]
Quantizer = Callable[[onnx.ModelProto, Pixels], onnx.ModelProto]

OUTLIERS: dict[str, Spoil] = {
    "none": lambda model: model,
    "6 channels, 30 times": partial(with_loud_channels, loudness=30, channels=LOUD, seed=5),
    "6 channels, 100 times": partial(with_loud_channels, loudness=100, channels=LOUD, seed=5),
    "6 neurons before FC2, 100 times": partial(with_loud_neurons, loudness=100, channels=LOUD, seed=5),
    "6 channels of one token, 100 times": partial(with_loud_tokens, loudness=100, channels=LOUD, seed=5),
}


CASES = (*((384, outliers) for outliers in OUTLIERS), (768, "none"), (768, "6 channels, 100 times"))


def int8_table() -> Table:
    """Quantize every tower by every quantizer that is installed, and compare with full precision."""
    found = {name: [_row(name, quantizer, *case) for case in CASES] for name, quantizer in _quantizers().items()}
    rows = [row for of_one_case in zip(*found.values(), strict=True) for row in of_one_case]
    return Table(
        "INT8 and loud channels",
        f"ViTs of 12 layers with random weights (`tests/loud_channels.py`), {PHOTOGRAPHS} photographs to calibrate on "
        f"and {PHOTOGRAPHS} others to judge by; every quantizer quantizes the same linears, weights per channel. "
        "Worst and median: thousandths that the cosine of the INT8 embedding with the FP32 one lacks to 1; and the "
        "share of photographs that keep their first geocell.",
        ("width", "outliers", "quantizer", "worst", "median", "top-1 agreement"),
        tuple(rows),
    )


def _row(name: str, quantizer: Quantizer, width: int, outliers: str) -> tuple[str | float, ...]:
    shape = Shape(width)
    model = OUTLIERS[outliers](tower(shape, seed=0))
    seen, judged = photographs(PHOTOGRAPHS, shape.size_px, 1), photographs(PHOTOGRAPHS, shape.size_px, 2)
    found = measure(model, quantizer(model, seen), np.array_split(judged, PHOTOGRAPHS // BATCH))
    lacking = [1000 * (1 - cosine) for cosine in (found.cosine_min, found.cosine_median)]
    return str(width), outliers, name, *lacking, found.top1_agreement or 0.0


def _quantizers() -> dict[str, Quantizer]:
    """Return the quantizers that are installed; ModelOpt is the last, for it changes ONNX Runtime's own once loaded."""
    runtime = {f"ONNX Runtime {method}": partial(_onnx_runtime, method=method) for method in ("MinMax", "Percentile")}
    names = ("max", "entropy") if find_spec("modelopt") else ()
    return {**runtime, "ours": _ours, **{f"ModelOpt {method}": partial(_model_opt, method=method) for method in names}}


def _ours(model: onnx.ModelProto, seen: Pixels) -> onnx.ModelProto:
    batches = np.array_split(seen, len(seen) // BATCH)
    prepared = prepare(model, lambda graph: observe(graph, linear_inputs(graph), batches))
    return quantize(prepared.graph, prepared.scales)


def _onnx_runtime(model: onnx.ModelProto, seen: Pixels, method: str) -> onnx.ModelProto:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches = iter(np.array_split(seen, len(seen) // BATCH))

        def get_next(self) -> dict[str, Pixels] | None:
            batch = next(self._batches, None)
            return None if batch is None else {"pixels": batch}

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "full.onnx", Path(folder) / "int8.onnx"
        onnx.save_model(model, str(source))
        quantize_static(
            str(source), str(target), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"],
            nodes_to_quantize=[node.name for node in linears(model)], calibrate_method=CalibrationMethod[method],
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
        )  # fmt: skip
        return onnx.load_model(str(target))


def _model_opt(model: onnx.ModelProto, seen: Pixels, method: str) -> onnx.ModelProto:
    from modelopt.onnx.quantization import quantize as quantize_by_model_opt

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "full.onnx", Path(folder) / "int8.onnx"
        onnx.save_model(model, str(source))
        quantize_by_model_opt(
            str(source), quantize_mode="int8", calibration_data={"pixels": seen}, calibration_method=method,
            calibration_eps=["cpu"], op_types_to_quantize=["MatMul"], high_precision_dtype="fp32",
            nodes_to_quantize=[node.name for node in linears(model)], output_path=str(target),
        )  # fmt: skip
        return onnx.load_model(str(target))
