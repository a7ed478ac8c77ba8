"""The encoder on OpenVINO: x86-64 processors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.encoders.protocol import INPUT, check_names, encoding_of, outputs_of
from pigeon_edge.encoders.without_telemetry import import_openvino
from pigeon_edge.errors import EngineError, MissingToolError
from pigeon_edge.images.preprocess import Pixels


class OpenVinoEncoder:
    """Runs an encoder graph on the CPU. Raises EngineError where OpenVINO cannot read or compile it."""

    def __init__(self, graph: Path) -> None:
        self._compiled = _compile(graph)
        ports = self._compiled.inputs, self._compiled.outputs
        inputs, outputs = ([name for port in side for name in port.names] for side in ports)
        check_names(graph, inputs, outputs)
        self._outputs = outputs_of(outputs)

    @property
    def label(self) -> str:
        """OpenVINO and its version, without the build that it names behind a hyphen."""
        import openvino

        return f"OpenVINO {openvino.__version__.partition('-')[0]}"

    def encode(self, pixels: Pixels) -> Encoding:
        """Return the encoding of (N, S, S, 3) uint8."""
        outputs = self._compiled({INPUT: pixels})
        return encoding_of({name: np.array(outputs[name]) for name in self._outputs})


def _compile(graph: Path) -> Any:
    try:
        openvino = import_openvino()  # a third of a second that only this engine needs
    except ImportError as error:
        raise MissingToolError("this engine needs OpenVINO: pip install openvino") from error

    # High-precision parts stay in float32: on processors with AMX the default is bfloat16, which moves embeddings
    # away from every other engine's.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    try:
        return openvino.Core().compile_model(str(graph), "CPU", settings)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise EngineError(f"{graph}: OpenVINO cannot compile it ({reason}); try --engine onnxruntime") from error
