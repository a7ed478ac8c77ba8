"""Libraries that report to their makers as soon as they are imported, imported so that they do not."""

from __future__ import annotations

import os
import sys
from typing import Any

_REPORTER = "openvino_telemetry"


def import_openvino() -> Any:
    """Return OpenVINO, whose package does without its module for Google Analytics where that cannot be imported.

    Raises ImportError where it is not installed.
    """
    hidden = sys.modules.pop(_REPORTER, None)
    sys.modules[_REPORTER] = None  # type: ignore[assignment]  # so Python marks what cannot be imported
    try:
        import openvino
    finally:
        del sys.modules[_REPORTER]
        if hidden:
            sys.modules[_REPORTER] = hidden
    return openvino


def import_onnxruntime() -> Any:
    """Return ONNX Runtime, which asks this variable when its library is loaded.

    Raises ImportError where it is not installed.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime
