"""One quick planet for every test of the whole path, made by the commands that a user would type."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pigeon_edge.manifest import PhotoRow, Split, read_manifest
from pigeon_training.data.samples import one_photograph_a_place
from pigeon_training.planet.recipe import make_planet

Run = Callable[..., subprocess.CompletedProcess[str]]

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def planet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a quick planet: photographs, model, graphs, gallery, reports, bundle."""
    folder = tmp_path_factory.mktemp("whole") / "planet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_WAIT_POLICY", "passive")  # else training crawls beside any other program on the same cores
        make_planet(folder, "quick", 7)
    return folder


@pytest.fixture(scope="session")
def bundle_folder(planet: Path) -> Path:
    return planet / "toy-planet.pigeon"


@pytest.fixture(scope="session")
def held_out(planet: Path) -> list[PhotoRow]:
    """Return one photograph each of 200 places that training never saw."""
    rows = [row for row in read_manifest(planet / "photographs" / "manifest.csv") if row.split is Split.TEST]
    return one_photograph_a_place(rows, 200)


@pytest.fixture(scope="session")
def run_program(bundle_folder: Path) -> Run:
    """Return a runner of ``pigeon-edge`` with the quick bundle."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "pigeon_edge", *map(str, arguments), "--bundle", str(bundle_folder)]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real photographs and video; without it the test is skipped."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real photographs and video of ../shared/data")
    return SHARED_DATA


@pytest.fixture
def events_of() -> Callable[[str], list[dict]]:
    """Return a reader of JSON lines."""
    return lambda text: [json.loads(line) for line in text.splitlines()]
