"""The examples in docstrings give what they say; the README's commands are commands, its snippet of Python runs."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pigeon_edge.cli.main import app
from pigeon_edge.cli.options import TOY_PLANET

README = Path(__file__).parents[2] / "README.md"
SAMPLES = TOY_PLANET.parent / "samples"


@pytest.mark.parametrize("module", ["geodesy", "bundle.format", "locator"])
def test_examples_of_docstrings(module):
    found = doctest.testmod(importlib.import_module(f"pigeon_edge.{module}"))
    assert (found.failed, found.attempted > 0) == (0, True)


def _blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def _commands():
    lines = "\n".join(_blocks("sh")).splitlines()
    parts = [part.split("#")[0].strip() for line in lines for part in line.split("&&")]
    return sorted({part for part in parts if part.startswith("pigeon-edge ")})


@pytest.mark.parametrize("command", _commands())
def test_commands_of_the_readme_have_the_options_that_it_gives_them(command):
    _, *words = shlex.split(command)
    names = [word for word in words if re.fullmatch(r"[a-z]+", word)]
    asked = (CliRunner().invoke(app, [*names[:count], "--help"]) for count in (2, 1))
    told = next(result for result in asked if result.exit_code == 0 and "Options:" in result.stdout)
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert {option for option in options if option not in told.stdout} == set()


def test_the_snippet_of_python_runs(tmp_path, monkeypatch, capsys):
    [snippet] = _blocks("python")
    (tmp_path / "europe.pigeon").symlink_to(TOY_PLANET)
    (tmp_path / "holiday.jpg").symlink_to(SAMPLES / "03-kleivia.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "README.md", "exec"), {})  # noqa: S102, it is the README's own
    assert "Kloken, Kleivia" in capsys.readouterr().out
