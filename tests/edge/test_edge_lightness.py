from __future__ import annotations

import json
import os
import pkgutil
import shutil
import subprocess
import sys

import pytest

import pigeon_edge

HEAVY = ["torch", "transformers", "onnx", "safetensors", "tensorrt", "pycuda", "av"]
LOADED = "import sys, json; print(json.dumps(sorted(name.partition('.')[0] for name in sys.modules)))"


def _loaded_by(python, code):
    found = python(f"{code}\n{LOADED}")
    assert found.returncode == 0, found.stderr
    return set(json.loads(found.stdout.splitlines()[-1]))


def test_no_module_of_the_device_imports_what_builds_models(python):
    names = [info.name for info in pkgutil.walk_packages(pigeon_edge.__path__, "pigeon_edge.")]
    assert len(names) > 30
    code = "import importlib\n" + "\n".join(
        f"importlib.import_module({name!r})" for name in names if not name.endswith("__main__")
    )
    loaded = _loaded_by(python, code)
    assert "pigeon_edge" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_importing_the_package_imports_nothing_else(python):
    loaded = _loaded_by(python, "import pigeon_edge; assert pigeon_edge.__version__")
    assert loaded.isdisjoint([*HEAVY, "numpy", "PIL", "faiss", "typer", "openvino", "onnxruntime"])


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_no_engine_and_no_trainer(python, option):
    code = f"import sys; sys.argv = ['pigeon-edge', {option!r}]\n" + _CALL_MAIN
    assert _loaded_by(python, code).isdisjoint([*HEAVY, "openvino", "onnxruntime", "pillow_heif"])


def test_locating_touches_neither_cuda_nor_tensorrt_where_no_engine_was_built(python, tiny, photographs):
    code = f"import sys; sys.argv = ['pigeon-edge', 'locate', {str(photographs)!r}, '--bundle', {str(tiny.path)!r}]\n"
    assert _loaded_by(python, code + _CALL_MAIN).isdisjoint(["tensorrt", "tensorrt_rtx_bindings", "pycuda"])


_CALL_MAIN = """
from pigeon_edge.cli.main import main
try:
    main()
except SystemExit as stop:
    assert stop.code in (0, None)
"""

_WITHOUT_NETWORK = """
import socket, sys

class Refused:
    def __init__(self, *arguments, **named):
        raise AssertionError("the network was used")

socket.socket = socket.create_connection = socket.getaddrinfo = Refused
sys.argv = ["pigeon-edge", "locate", sys.argv[1], "--bundle", sys.argv[2], "--engine", sys.argv[3]]
"""


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_no_library_leaves_an_identity_in_the_home_or_calls_home(tiny, photographs, tmp_path, engine):
    """Both would: OpenVINO to Google Analytics, ONNX Runtime to Microsoft."""
    pytest.importorskip(engine)
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    command = [sys.executable, "-m", "pigeon_edge", "locate", photographs, "--bundle", tiny.path, "--engine", engine]
    calls = tmp_path / "calls"
    watched = ["strace", "-f", "-qq", "-e", "trace=connect,sendto", "-o", calls] if _traces() else []
    found = subprocess.run([*watched, *command], env={**kept, "HOME": str(home)}, capture_output=True, check=False)
    assert found.returncode == 0, found.stderr
    cache = home / ".cache" / "pigeon-edge"
    left = {path.parent for path in home.rglob("*") if path.is_file()}
    assert left == {cache / "verified"}
    assert {path.stat().st_size for path in (cache / "verified").iterdir()} == {0}
    assert not watched or "AF_INET" not in calls.read_text()


def _traces():
    """Tell whether strace is installed, and allowed."""
    program = shutil.which("strace")
    return program and subprocess.run([program, "-qq", "-e", "none", "true"], check=False).returncode == 0


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_locating_needs_no_network(python, tiny, photographs, engine):
    pytest.importorskip(engine)
    found = python(_WITHOUT_NETWORK + _CALL_MAIN, photographs, tiny.path, engine)
    assert found.returncode == 0, found.stderr
    assert "Plain, Verda" in found.stdout


def test_public_names_are_there_and_others_are_not():
    for name in pigeon_edge.__all__:
        assert getattr(pigeon_edge, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = pigeon_edge.nonsense
