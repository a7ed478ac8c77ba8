"""GeoCLIP from files of its published layouts, with random numbers in them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from pigeon_edge.answer.estimate import Place
from pigeon_edge.bundle.format import open_bundle, verify
from pigeon_edge.encoders import Engine
from pigeon_edge.errors import InputError
from pigeon_edge.locator import open_locator
from pigeon_export.adopt.geoclip import equal_earth, read_geoclip
from pigeon_export.adopt.make_bundle import adopt_geoclip, nearest_towns
from pigeon_export.cli import app
from pigeon_training.model.clip_folder import load_clip
from pigeon_training.study.zero_shot.places import Town
from pigeon_training.testing import write_tiny_clip

WIDTH, HIDDEN, FREQUENCIES, POINTS = 12, 24, 6, 40
SIGMAS = (1.0, 16.0, 256.0)


class Fourier(nn.Module):
    """Random Fourier features (Tancik et al. 2020): its one tensor is called ``b``."""

    def __init__(self, sigma):
        super().__init__()
        self.b = nn.Parameter(torch.randn(FREQUENCIES, 2) * sigma, requires_grad=False)

    def forward(self, points):
        phase = 2 * math.pi * points @ self.b.T
        return torch.cat([phase.cos(), phase.sin()], dim=1)


def capsule(sigma):
    layers = [Fourier(sigma), nn.Linear(2 * FREQUENCIES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()]
    hidden = nn.Sequential(*layers, nn.Linear(HIDDEN, HIDDEN), nn.ReLU())
    return nn.ModuleDict({"capsule": hidden, "head": nn.Sequential(nn.Linear(HIDDEN, WIDTH))})


@pytest.fixture
def parts():
    """Return the modules of a GeoCLIP of the published structure, and its gallery (M, 2)."""
    torch.manual_seed(5)
    location = nn.ModuleDict({f"LocEnc{number}": capsule(sigma) for number, sigma in enumerate(SIGMAS)}).double()
    mlp = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, WIDTH))
    lat_lng = np.random.default_rng(1).uniform((-85, -180), (85, 180), (POINTS, 2)).round(6)
    return location.requires_grad_(False), mlp.requires_grad_(False), torch.tensor(3.0), lat_lng


@pytest.fixture
def backbone(tmp_path):
    return write_tiny_clip(tmp_path / "clip")


def write_gallery_csv(path, lat_lng):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("LAT,LON\n" + "".join(f"{lat},{lng}\n" for lat, lng in lat_lng))


@pytest.fixture
def package(tmp_path, parts):
    location, mlp, log_scale, lat_lng = parts
    folder = tmp_path / "geoclip" / "model"
    (folder / "weights").mkdir(parents=True)
    torch.save(location.float().state_dict(), folder / "weights" / "location_encoder_weights.pth")
    torch.save(mlp.state_dict(), folder / "weights" / "image_encoder_mlp_weights.pth")
    torch.save(nn.Parameter(log_scale), folder / "weights" / "logit_scale_weights.pth")
    write_gallery_csv(folder / "gps_gallery" / "coordinates_100K.csv", lat_lng)
    location.double()
    return folder


@pytest.fixture
def release(tmp_path, parts, backbone):
    location, mlp, log_scale, lat_lng = parts
    folder = tmp_path / "release"
    folder.mkdir()
    tensors = {f"location_encoder.{name}": value.float() for name, value in location.state_dict().items()}
    tensors |= {f"image_encoder.mlp.{name}": value for name, value in mlp.state_dict().items()}
    save_file({**tensors, "logit_scale": log_scale}, folder / "model.safetensors")
    config = {"model_type": "geoclip-geolocation", "format_version": 1, "sigma": list(SIGMAS)}
    config |= {"gallery_file": "gallery.csv", "backbone": {"repo_id": str(backbone), "revision": "a" * 40}}
    (folder / "config.json").write_text(json.dumps(config))
    write_gallery_csv(folder / "gallery.csv", lat_lng)
    return folder


def by_torch(parts, backbone, pixels):
    """Return the logits (N, M) of GeoCLIP as its paper composes them, in torch."""
    location, mlp, log_scale, lat_lng = parts
    clip = load_clip(str(backbone))
    planes = (pixels / 255 - np.array(clip.spec.mean)) / np.array(clip.spec.std)
    with torch.inference_mode():
        planes = torch.tensor(planes.transpose(0, 3, 1, 2), dtype=torch.float32)
        image = mlp(clip.model.visual_projection(clip.model.vision_model(pixel_values=planes).pooler_output))
        points = torch.from_numpy(equal_earth(lat_lng))
        gallery = sum(one["head"](one["capsule"](points)) for one in location.values()).float()
        image, gallery = (nn.functional.normalize(side, dim=1) for side in (image, gallery))
        return (log_scale.exp() * image @ gallery.T).numpy()


def test_projection_at_points_that_are_known():
    found = equal_earth(np.array([[0.0, 0.0], [0.0, 180.0], [90.0, 0.0], [-90.0, 77.0], [0.0, -90.0]]))
    pole = 1.3173627591574 * 66.50336 / 180  # y of the pole on the unit sphere (Savric et al. 2018)
    np.testing.assert_allclose(found[:, 1], [0, 0, pole, -pole, 0], atol=1e-7)
    np.testing.assert_allclose(found[:2, 0], [0, 1], atol=1e-6)
    assert found[4, 0] == pytest.approx(-0.5, abs=1e-6)


def test_both_layouts_hold_the_same_model(package, release):
    one, other = read_geoclip(package), read_geoclip(release)
    assert one.logit_scale == other.logit_scale == pytest.approx(math.exp(3))
    np.testing.assert_array_equal(one.gallery(), other.gallery())
    assert (one.backbone, len(one.lat_lng)) == ("openai/clip-vit-large-patch14", POINTS)
    for folder in (package.parent, package.parent.parent):
        np.testing.assert_array_equal(read_geoclip(folder).gallery(), one.gallery())


def test_bundle_answers_with_the_point_that_geoclip_answers_with(parts, package, backbone, tmp_path, make_pixels):
    adopt_geoclip(package, tmp_path / "geo.pigeon", None, str(backbone), None)
    bundle = open_bundle(tmp_path / "geo.pigeon")
    verify(bundle)
    assert (bundle.description.cells, bundle.description.embedding_width) == (POINTS, WIDTH)
    assert bundle.description.licences["weights"] == "MIT"
    locator, pixels = open_locator(bundle, Engine.ONNXRUNTIME), make_pixels(6)
    expected = by_torch(parts, backbone, pixels)
    np.testing.assert_allclose(locator.encoder.encode(pixels).cell_logits, expected, atol=0.15)  # int8 weights
    for estimate, logits in zip(locator.locate(pixels), expected, strict=True):
        assert logits[estimate.candidates[0].cell] > logits.max() - 0.2
        assert estimate.lat_lng == tuple(parts[3][estimate.candidates[0].cell])
        assert estimate.levels.country == pytest.approx(estimate.levels.cell)  # no names: a cell speaks for itself


def test_full_precision_graph_equals_torch(parts, release, backbone, make_pixels):
    from pigeon_calibration.runner import Runner
    from pigeon_export.adopt.make_bundle import geoclip

    adopted, pixels = geoclip(read_geoclip(release), None, []), make_pixels(5)
    np.testing.assert_allclose(
        Runner(adopted.graph).encode(pixels).cell_logits, by_torch(parts, backbone, pixels), atol=1e-3
    )


def test_points_are_named_after_the_nearest_town_unless_it_is_far():
    towns = [Town("Suva", "Central", "Fiji", "FJ", -18.1, 178.4, 1), Town("Brest", "", "France", "FR", 48.4, -4.5, 1)]
    points = np.array([[-17.0, -179.9], [48.0, -4.0], [0.0, -140.0]])
    assert nearest_towns(points, towns) == [
        Place("FJ", "Fiji", "Central"),
        Place("FR", "France", ""),
        Place("", "", ""),
    ]


def test_command_names_the_points(release, tmp_path):
    (tmp_path / "c.csv").write_text("name,country,lat,lng\n" + "".join(
        f"T{lat}{lng},Land,{lat},{lng}\n" for lat in range(-80, 90, 4) for lng in range(-178, 180, 4) if lat or lng
    ))  # fmt: skip
    arguments = ["adopt", "geoclip", release, "--out", tmp_path / "geo.pigeon", "--places", tmp_path / "c.csv"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    places = open_locator(open_bundle(tmp_path / "geo.pigeon"), Engine.ONNXRUNTIME).cells.places
    assert {place.country for place in places} == {"Land"}


@pytest.mark.parametrize("file", ["location_encoder_weights.pth", "logit_scale_weights.pth"])
def test_missing_weights_are_named(package, file):
    (package / "weights" / file).unlink()
    with pytest.raises(InputError, match=f"expected GeoCLIP's weights and gallery, .*{file}"):
        read_geoclip(package)


def test_weights_that_would_run_code_are_refused(package):
    class Trap:
        def __reduce__(self):
            return print, ("never",)

    torch.save(Trap(), package / "weights" / "logit_scale_weights.pth")
    with pytest.raises(InputError, match="expected GeoCLIP's weights"):
        read_geoclip(package)


def test_gallery_outside_the_release_is_refused(release):
    config = json.loads((release / "config.json").read_text())
    (release / "config.json").write_text(json.dumps(config | {"gallery_file": "../gallery.csv"}))
    with pytest.raises(InputError, match="outside the folder"):
        read_geoclip(release)


def test_gallery_of_other_columns_is_refused(release):
    (release / "gallery.csv").write_text("lat,lng\n1,2\n")
    with pytest.raises(InputError, match="'LAT'"):
        read_geoclip(release)
