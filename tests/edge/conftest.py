"""The three-cell world with a real encoder graph, photographs of it, and the command line as a user starts it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pigeon_edge.bundle.format import Bundle, open_bundle, seal
from pigeon_edge.encoders import Engine
from pigeon_edge.locator import Locator, open_locator
from pigeon_edge.testing import TINY_LOGIT_SCALE, write_colour, write_tiny_bundle

RED, GREEN, BLUE = (250, 5, 5), (5, 250, 5), (5, 5, 250)


def colour_graph(outputs: tuple[str, ...] = ("image_embedding", "cell_logits")) -> bytes:
    """Return an ONNX graph of what ``FakeEncoder`` does, with the outputs named."""
    constants = {"axes": np.array([1, 2]), "share": np.float32(1 / 255), "scale": np.float32(TINY_LOGIT_SCALE)}
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "share"], ["image_embedding"]),
        helper.make_node("Mul", ["image_embedding", "scale"], ["cell_logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", 16, 16, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="session")
def make_graph() -> Callable[..., bytes]:
    return colour_graph


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The tiny bundle, to be read only."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny.pigeon", colour_graph())


@pytest.fixture
def own(tiny: Bundle, tmp_path: Path) -> Bundle:
    """A copy of the tiny bundle that a test may spoil."""
    shutil.copytree(tiny.path, tmp_path / "own.pigeon")
    return open_bundle(tmp_path / "own.pigeon")


@pytest.fixture
def spoiled(own: Bundle) -> Callable[[], Bundle]:
    """Open the copy with the checksums of what a test has put into it: built wrong, and copied well."""

    def seal_and_open() -> Bundle:
        seal(own.path, own.description)
        return open_bundle(own.path)

    return seal_and_open


@pytest.fixture(scope="session")
def locator(tiny: Bundle) -> Locator:
    return open_locator(tiny, Engine.ONNXRUNTIME)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of a red, a green and a blue photograph."""
    for name, colour in (("1-red.png", RED), ("2-green.png", GREEN), ("3-blue.png", BLUE)):
        write_colour(tmp_path / "photographs" / name, colour)
    return tmp_path / "photographs"


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIGEON_EDGE", "PYTHONWARN"))}
    cache = {"PIGEON_EDGE_CACHE": os.environ["PIGEON_EDGE_CACHE"]}
    return {**kept, **cache, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


@pytest.fixture
def pigeon(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a process of its own, in the test's folder."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pigeon_edge", *map(os.fspath, arguments)],
            cwd=tmp_path,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def python(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a piece of Python in a process of its own."""

    def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", code, *map(os.fspath, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def located(
    pigeon: Callable[..., subprocess.CompletedProcess[str]], tiny: Bundle
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command with the tiny bundle."""
    return lambda *arguments: pigeon(*arguments, "--bundle", tiny.path, "--engine", "onnxruntime")


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """Small files that users of other programs have met, beside the repository; skipped where they are not."""
    folder = Path(__file__).parents[3] / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("needs ../shared/cases")
    return folder
