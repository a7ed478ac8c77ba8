"""The bundle and the samples that ship as the default."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pigeon_edge
from pigeon_edge.bundle.format import open_bundle, verify
from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.geodesy import haversine_km
from pigeon_edge.images.photograph import read_gps, read_pixels
from pigeon_edge.locator import open_locator
from pigeon_training.study.baselines import constant_guess

ROOT = Path(__file__).parents[2]
FOLDER = Path(pigeon_edge.__file__).parent / "toy_planet"


@pytest.fixture(scope="module")
def samples():
    return sorted((FOLDER / "samples").iterdir())


def test_default_bundle_opens_and_verifies():
    bundle = open_bundle(TOY_PLANET)
    verify(bundle)
    assert TOY_PLANET == FOLDER / "toy-planet.pigeon"
    assert bundle.description.name == "toy-planet"


def test_all_that_ships_is_at_most_8_mb():
    assert 0 < sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 8e6


def test_24_samples_ship_with_the_place_where_each_was_taken(samples):
    assert len(samples) == 24
    assert [path.name[:3] for path in samples] == [f"{number:02}-" for number in range(1, 25)]
    assert len({read_gps(path) for path in samples}) == 24
    assert None not in {read_gps(path) for path in samples}
    for path in samples:
        with Image.open(path) as image:
            assert image.format == "JPEG"


def test_card_says_how_it_was_made_and_what_it_reaches():
    card = (TOY_PLANET / "MODEL_CARD.md").read_text(encoding="utf-8")
    for words in (
        "A procedural planet: invented countries", "it knows no real place", "train planet --size full --seed 7",
        "weights: Apache-2.0; data: Apache-2.0",
        "measured by `pigeon-edge train evaluate`", "by `pigeon-edge calibrate int8`", "fitted on",
    ):  # fmt: skip
        assert words in card
    medians = dict(re.findall(r"^\| \*{0,2}([a-z ]+?)\*{0,2}(?: \(.*\))? \| ([0-9.,]+) \|", card, re.MULTILINE))
    ours_km, constant_km = (float(medians[name].replace(",", "")) for name in ("this bundle", "constant guess"))
    assert ours_km * 3 < constant_km


def test_samples_are_located_three_times_nearer_than_by_a_constant_guess(samples):
    locator = open_locator(open_bundle(TOY_PLANET))
    truth = np.array([read_gps(path) for path in samples])
    estimates = locator.locate(np.stack([read_pixels(path, locator.preprocess) for path in samples]))
    ours_km = haversine_km([estimate.lat_lng for estimate in estimates], truth)
    gallery = np.load(TOY_PLANET / "gallery" / "lat_lng.npy").astype(np.float64)
    assert np.median(ours_km) * 3 < np.median(constant_guess(gallery, truth))


def test_no_sample_is_of_a_place_in_the_gallery(samples):
    gallery = np.load(TOY_PLANET / "gallery" / "lat_lng.npy").astype(np.float64)
    nearest_km = [haversine_km(read_gps(path), gallery).min() for path in samples]
    assert min(nearest_km) > 0.005


@pytest.fixture(scope="module")
def wheel_files(tmp_path_factory):
    """Return the names of the files in the wheel."""
    if importlib.util.find_spec("hatchling") is None or importlib.util.find_spec("pip") is None:
        pytest.skip("building the wheel needs pip and hatchling in the environment")
    out = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(out)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True)
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_wheel_holds_the_four_packages_and_nothing_else(wheel_files):
    packages = {"pigeon_edge", "pigeon_calibration", "pigeon_export", "pigeon_training"}
    tops = {name.split("/")[0] for name in wheel_files}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages
    assert {f"{package}/py.typed" for package in packages} <= set(wheel_files)
    assert not [name for name in wheel_files if "test_" in name or "conftest" in name or "__pycache__" in name]


def test_wheel_holds_the_default_bundle_and_the_samples(wheel_files):
    shipped = {f"pigeon_edge/toy_planet/{path.relative_to(FOLDER).as_posix()}" for path in FOLDER.rglob("*.*")}
    shipped -= {"pigeon_edge/toy_planet/toy-planet.pigeon"}
    assert len(shipped) >= 33
    assert shipped <= set(wheel_files)
