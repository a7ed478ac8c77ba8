"""Whatever is not installed, a command says in one line what to install."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import requires

import pytest

from pigeon_edge.cli import main

IMPORTED_AS = {"scikit-learn": "sklearn", "huggingface-hub": "huggingface_hub"}
HIDE = "import sys; sys.modules[{module!r}] = None; from pigeon_edge.cli.main import main; main()"
EXTRAS = ("train", "calibrate", "export")


def _modules(extra):
    """Return what an extra brings, as it is imported; of the extras that it holds in turn as well."""
    lines = [line.partition(";") for line in requires("pigeon-edge") if f"extra == '{extra}'" in line.replace('"', "'")]
    names = [name.partition(">")[0].strip() for name, _, _ in lines]
    return {IMPORTED_AS.get(name, name) for name in names if not name.startswith("pigeon-edge")}


@pytest.mark.parametrize(
    ("extra", "module"), [(extra, module) for extra in EXTRAS for module in sorted(_modules(extra))]
)
def test_the_extra_is_named(extra, module, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pigeon-edge", extra, "command"])
    error = main._missing_extra(ModuleNotFoundError("", name=f"{module}.part"))
    assert str(error).endswith(f"{module}, which is not installed: pip install 'pigeon-edge[{extra}]'")
    assert error.exit_code == 8


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("pyarrow", ("train", "manifest", "check", "photos.csv")),
        ("onnx", ("export", "lint", "graph.onnx")),
        ("torch", ("export", "onnx", "model", "--out", "out.onnx")),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)
def test_a_command_that_lacks_a_module_is_one_line(module, command, tmp_path):
    (tmp_path / "photos.csv").write_text("path,lat,lng\n")
    line = [sys.executable, "-c", HIDE.format(module=module), *command]
    found = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 8, found.stderr
    assert found.stderr.splitlines()[-1].endswith(f"pip install 'pigeon-edge[{command[0]}]'")
    assert "Traceback" not in found.stderr
