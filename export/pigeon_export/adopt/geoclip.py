"""GeoCLIP's published weights (Vivanco Cepeda et al., NeurIPS 2023; code and weights MIT), read without its package.

Two layouts are read. A release, as ``GeoCLIP.from_pretrained`` of the package takes it:

    config.json         model_type "geoclip-geolocation", format_version 1, gallery_file, backbone {"repo_id": ...}
    model.safetensors   logit_scale (); image_encoder.mlp.{0,2}.{weight,bias};
                        location_encoder.LocEnc{i}.capsule.0.b (F, 2), .capsule.{1,3,5}.{weight,bias},
                        .head.0.{weight,bias}
    GALLERY.csv         columns LAT, LON in degrees

And the folder ``geoclip/model`` of the package or its repository:

    weights/logit_scale_weights.pth, image_encoder_mlp_weights.pth, location_encoder_weights.pth
                        the same tensors, without the prefixes
    gps_gallery/coordinates_100K.csv

The layouts were taken from the package's public source; no original weight file has been read by this project's tests,
which write files of these layouts with random numbers. The CLIP backbone (openai/clip-vit-large-patch14) is in neither.
"""

from __future__ import annotations

import csv
import json
import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pigeon_edge.answer.encoding import unit
from pigeon_edge.errors import InputError
from pigeon_export.graph.readout import Layer

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

BACKBONE = "openai/clip-vit-large-patch14"
CHUNK = 4096

_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796
"""The polynomial of the equal-earth projection (Savric, Patterson and Jenny 2018)."""

_SCALE = 66.50336 / 180
"""GeoCLIP's scale: the projection's width of 5.41 becomes -1 to 1."""

_PACKAGE_FILES = {
    "image_encoder.mlp.": "image_encoder_mlp_weights.pth",
    "location_encoder.": "location_encoder_weights.pth",
}


@dataclass(frozen=True)
class Capsule:
    """One scale of the location encoder: frequencies (F, 2), and the layers that read their cosines and sines."""

    frequencies: Floats
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class GeoClip:
    """The parts of GeoCLIP beyond CLIP: what follows the visual projection, the location encoder, the gallery.

    ``lat_lng`` (M, 2) are the points to choose from; logits are ``logit_scale`` times cosines.
    """

    image_layers: tuple[Layer, ...]
    capsules: tuple[Capsule, ...]
    logit_scale: float
    lat_lng: Doubles
    backbone: str

    def gallery(self) -> Floats:
        """Return the unit embeddings (M, D) of the gallery's points."""
        starts = range(0, len(self.lat_lng), CHUNK)
        return unit(np.concatenate([self.embed(self.lat_lng[start : start + CHUNK]) for start in starts]))

    def embed(self, lat_lng: Doubles) -> Floats:
        """Return the embeddings (N, D), of any length, of coordinates (N, 2): the sum over the scales."""
        points = equal_earth(lat_lng)
        return np.asarray(np.sum([_capsule(points, capsule) for capsule in self.capsules], axis=0), np.float32)


def equal_earth(lat_lng: Doubles) -> Doubles:
    """Return the equal-earth projection (N, 2) of coordinates (N, 2): x in -1..1, y in -0.49..0.49."""
    lat, lng = np.radians(lat_lng).T
    theta = np.arcsin(math.sqrt(3) / 2 * np.sin(lat))
    slope = 9 * _A4 * theta**8 + 7 * _A3 * theta**6 + 3 * _A2 * theta**2 + _A1
    x = 2 * math.sqrt(3) * lng * np.cos(theta) / (3 * slope)
    y = _A4 * theta**9 + _A3 * theta**7 + _A2 * theta**3 + _A1 * theta
    return np.stack([x, y], axis=1) * _SCALE


def read_geoclip(folder: Path) -> GeoClip:
    """Read GeoCLIP from a folder of either layout. Raises InputError where a file is missing or not as it must be."""
    try:
        weights, gallery, backbone = _release(folder) if (folder / "config.json").is_file() else _package(folder)
        arrays = {name: np.asarray(tensor.detach().float().numpy()) for name, tensor in weights.items()}
        return GeoClip(
            image_layers=(_layer(arrays, "image_encoder.mlp.0", rectified=True), _layer(arrays, "image_encoder.mlp.2")),
            capsules=_capsules(arrays),
            logit_scale=float(np.exp(arrays["logit_scale"].reshape(()))),
            lat_lng=_read_gallery(gallery),
            backbone=backbone,
        )
    except (OSError, SafetensorError, pickle.UnpicklingError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{folder}: expected GeoCLIP's weights and gallery, {reason}; name its release or its geoclip/model"
        ) from error


def _release(folder: Path) -> tuple[dict[str, torch.Tensor], Path, str]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    told = (config.get("model_type"), config.get("format_version"))
    if told != ("geoclip-geolocation", 1):
        raise ValueError(f"found model_type and format_version {told}")
    gallery = Path(config["gallery_file"])
    if gallery.name != config["gallery_file"]:
        raise ValueError(f"the gallery {config['gallery_file']!r} is outside the folder")
    return load_file(folder / "model.safetensors"), folder / gallery, str(config["backbone"]["repo_id"])


def _package(folder: Path) -> tuple[dict[str, torch.Tensor], Path, str]:
    homes = (folder, folder / "model", folder / "geoclip" / "model")
    home = next((home for home in homes if (home / "weights").is_dir()), folder)
    weights = {"logit_scale": _load(home / "weights" / "logit_scale_weights.pth")}
    for prefix, file in _PACKAGE_FILES.items():
        weights |= {f"{prefix}{name}": tensor for name, tensor in _load(home / "weights" / file).items()}
    return weights, home / "gps_gallery" / "coordinates_100K.csv", BACKBONE


def _load(path: Path) -> Any:
    """Load tensors and nothing else: a file that would run code is refused."""
    return torch.load(path, map_location="cpu", weights_only=True)


def _read_gallery(path: Path) -> Doubles:
    with path.open(newline="", encoding="utf-8") as file:
        points = [(float(record["LAT"]), float(record["LON"])) for record in csv.DictReader(file)]
    lat_lng = np.array(points, np.float64).reshape(-1, 2)
    if not len(lat_lng) or not (np.abs(lat_lng) <= (90, 180)).all():
        raise ValueError(f"{path.name} has no points, or some that are on no globe")
    return lat_lng


def _capsules(weights: Mapping[str, Floats]) -> tuple[Capsule, ...]:
    count = sum(name.endswith(".capsule.0.b") for name in weights)
    if not count:
        raise ValueError("found no location_encoder.LocEnc0.capsule.0.b")
    return tuple(_capsule_of(weights, f"location_encoder.LocEnc{number}") for number in range(count))


def _capsule_of(weights: Mapping[str, Floats], name: str) -> Capsule:
    hidden = [_layer(weights, f"{name}.capsule.{place}", rectified=True) for place in (1, 3, 5)]
    return Capsule(weights[f"{name}.capsule.0.b"], (*hidden, _layer(weights, f"{name}.head.0")))


def _layer(weights: Mapping[str, Floats], name: str, *, rectified: bool = False) -> Layer:
    return Layer(weights[f"{name}.weight"], weights[f"{name}.bias"], rectified)


def _capsule(points: Doubles, capsule: Capsule) -> Floats:
    """Return the embeddings (N, D) of projected points (N, 2): random Fourier features, then a perceptron."""
    phase = 2 * math.pi * points @ capsule.frequencies.T.astype(np.float64)  # (N, F)
    vector = np.concatenate([np.cos(phase), np.sin(phase)], axis=1).astype(np.float32)
    for layer in capsule.layers:
        vector = vector @ layer.weight.T + layer.bias
        vector = np.maximum(vector, 0) if layer.rectified else vector
    return vector
