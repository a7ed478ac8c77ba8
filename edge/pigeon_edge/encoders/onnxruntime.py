"""The encoder on ONNX Runtime: processors other than x86-64, and a second opinion on those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.encoders.protocol import INPUT, check_names, encoding_of, outputs_of
from pigeon_edge.encoders.without_telemetry import import_onnxruntime
from pigeon_edge.errors import EngineError, MissingToolError
from pigeon_edge.images.preprocess import Pixels
from pigeon_edge.system.instructions import SUMS_IN_32_BITS, int8_instructions


class OnnxRuntimeEncoder:
    """Runs an encoder graph on the CPU. Raises EngineError where ONNX Runtime cannot read it."""

    def __init__(self, graph: Path) -> None:
        self._session = _open_session(graph)
        ports = self._session.get_inputs(), self._session.get_outputs()
        inputs, outputs = ([port.name for port in side] for side in ports)
        check_names(graph, inputs, outputs)
        self._outputs = outputs_of(outputs)

    @property
    def label(self) -> str:
        """ONNX Runtime and its version."""
        import onnxruntime

        return f"ONNX Runtime {onnxruntime.__version__}"

    def encode(self, pixels: Pixels) -> Encoding:
        """Return the encoding of (N, S, S, 3) uint8."""
        values = self._session.run(self._outputs, {INPUT: np.ascontiguousarray(pixels)})
        return encoding_of(dict(zip(self._outputs, values, strict=True)))


def _open_session(graph: Path) -> Any:
    try:
        onnxruntime = import_onnxruntime()  # an alternative that not every installation has
    except ImportError as error:
        raise MissingToolError("this engine needs ONNX Runtime: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if int8_instructions() not in SUMS_IN_32_BITS:
        # MLAS adds int8 products in 16 bits there, which saturate without a word. This makes their sums exact, and
        # costs half the speed of VNNI where it is not needed.
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class but this one
        reason = str(error).strip().splitlines()[0]
        raise EngineError(f"{graph}: ONNX Runtime cannot run it ({reason})") from error
