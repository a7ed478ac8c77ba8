"""A graph on ONNX Runtime, computed as it is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.encoders.protocol import encoding_of
from pigeon_edge.encoders.without_telemetry import import_onnxruntime
from pigeon_edge.errors import EngineError
from pigeon_edge.images.preprocess import Pixels


class Runner:
    """A graph in memory on ONNX Runtime, on the CPU, its Q/DQ pairs computed as written: in float32.

    int8 kernels differ between processors and some saturate; what is judged here is the graph, the same everywhere.
    Raises EngineError where it does not run.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        self._outputs = [value.name for value in model.graph.output]
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class but this one
            reason = " ".join(str(error).split()) or type(error).__name__
            raise EngineError(f"expected a graph that ONNX Runtime runs, {reason}; export it again") from error

    def run(self, outputs: Sequence[str], pixels: Pixels) -> list[Any]:
        """Return the outputs named, for pixels (n, S, S, 3) uint8."""
        return list(self._session.run(list(outputs), {"pixels": np.ascontiguousarray(pixels)}))

    def encode(self, pixels: Pixels) -> Encoding:
        """Return the encoding of (n, S, S, 3) uint8; cell_logits are (n, 0) where the graph has no cells."""
        outputs = self.run(self._outputs, pixels)
        without_cells = {"cell_logits": np.empty((len(pixels), 0), np.float32)}
        return encoding_of({**without_cells, **dict(zip(self._outputs, outputs, strict=True))})
