"""Whether explanations are true: covering what they call relevant must change the answer, and the rest must not."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tests.bench.table import Table

from pigeon_edge.images.preprocess import Pixels
from pigeon_edge.manifest import Split
from pigeon_export.parity.torch_reference import TorchEncoder
from pigeon_training.cells.make_cells import make_cells
from pigeon_training.data.dataset import read_all_pixels, read_split
from pigeon_training.data.samples import one_photograph_a_place
from pigeon_training.learning.fitting.fit import fit_manifest
from pigeon_training.model.exported_tower import load_tower, read_heads, read_spec
from pigeon_training.model.geocell_model import geocell_model, normalise, planes
from pigeon_training.planet.album import render_album
from pigeon_training.presets import CELL_PRESETS, TOY_QUICK, sized
from pigeon_training.study.explanation.attribution import attention_attribution, occlusion_attribution

PLACES, PHOTOGRAPHS = 1500, 120
SHARES_COVERED = np.arange(1, 10) / 10

Floats = npt.NDArray[np.float32]


def explanation_table() -> Table:
    """Train a quick model of the planet, explain photographs of places it never saw, and cover their patches."""
    with tempfile.TemporaryDirectory() as name:
        encoder, pixels, maps = _explained(Path(name))
    rows = [(way, *(_kept(encoder, pixels, order) for order in (-heat, heat))) for way, heat in maps.items()]
    return Table(
        "Explanations",
        f"A quick model of the planet, {len(pixels)} photographs of places it never saw. Patches take the photograph's "
        "mean colour, the most or the least relevant first; photographs that keep their most probable cell, mean over "
        "10 to 90 % of the patches covered. A true explanation has a low first and a high second number.",
        ("patches by", "% kept, most first", "% kept, least first"),
        tuple(rows),
    )


def _explained(folder: Path) -> tuple[TorchEncoder, Pixels, dict[str, Floats]]:
    """Return a model, pixels (N, S, S, 3), and the shares (N, P, P) of their patches by each way to explain."""
    manifest = folder / "planet" / "manifest.csv"
    render_album(manifest.parent, PLACES, 7, TOY_QUICK.tower.image_size_px)
    make_cells(manifest, [], sized(CELL_PRESETS["toy"], 100, 1_000_000), folder / "cells", _unheard)
    fit_manifest(manifest, folder / "cells", folder / "model", TOY_QUICK, _unheard)
    tower, heads = load_tower(str(folder / "model"), attention="eager"), read_heads(folder / "model")
    assert heads is not None
    spec = read_spec(str(folder / "model"), tower)
    encoder = TorchEncoder(tower, spec, heads)
    pixels = read_all_pixels(one_photograph_a_place(read_split(manifest, Split.TEST), PHOTOGRAPHS), spec)
    cell = encoder.encode(pixels).cell_logits.argmax(axis=1)
    model = geocell_model(tower, heads["cells.weight"], heads["cells.bias"])
    images = normalise(planes(torch.from_numpy(pixels)), spec)
    attention = attention_attribution(model, images, torch.from_numpy(cell))
    side = attention.shape[1]
    occlusion = [occlusion_attribution(encoder, p, int(c), side) for p, c in zip(pixels, cell, strict=True)]
    guess = np.random.default_rng(7).random(attention.shape, np.float32)
    return encoder, pixels, {"a random order": guess, "attention": attention, "occlusion": np.stack(occlusion)}


def _kept(encoder: TorchEncoder, pixels: Pixels, heat: Floats) -> float:
    """Return the percentage of photographs that keep their cell while patches are covered, coolest first."""
    before = encoder.encode(pixels).cell_logits.argmax(axis=1)
    side, patch = heat.shape[1], pixels.shape[1] // heat.shape[1]
    rank = heat.reshape(len(heat), -1).argsort(axis=1, kind="stable").argsort(axis=1).reshape(heat.shape)
    mean = pixels.mean(axis=(1, 2), keepdims=True).round().astype(np.uint8)
    kept = []
    for share in SHARES_COVERED:
        hidden = (rank < round(share * side**2)).repeat(patch, axis=1).repeat(patch, axis=2)[..., None]
        kept.append(encoder.encode(np.where(hidden, mean, pixels)).cell_logits.argmax(axis=1) == before)
    return float(np.mean(kept) * 100)


def _unheard(line: str) -> None:
    """Keep the stages' reports off the tables."""
