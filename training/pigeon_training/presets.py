"""Presets: every constant of a recipe in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pigeon_edge.errors import UsageError
from pigeon_training.smoothing import Smoothing


@dataclass(frozen=True)
class TowerPreset:
    """The shape of a CLIP vision tower that is trained from nothing."""

    image_size_px: int
    patch_px: int
    width: int
    layers: int
    heads: int
    mlp_width: int


@dataclass(frozen=True, kw_only=True)
class LoopPreset:
    """How the weights of a tower and its heads are moved.

    A step of AdamW, with gradients of norm 1 at most, is decided by ``batch`` samples, of which ``micro_batch`` are in
    memory with a graph at a time. The rate rises to ``learning_rate`` over the share ``warmup`` of the steps and falls
    to zero along half a cosine. After ``patience`` epochs without a better one training stops; 0 never stops early.
    With ``bfloat16`` the tower's matrix products are taken in it, where the device has instructions for it
    (``matrix_precision``); weights, heads and losses stay in float32.
    """

    epochs: int
    batch: int
    micro_batch: int
    learning_rate: float
    weight_decay: float
    warmup: float
    patience: int = 0
    bfloat16: bool = False
    seed: int = 330


@dataclass(frozen=True, kw_only=True)
class FitPreset(LoopPreset):
    """How a tower and a geocell head are trained together from nothing.

    ``tau_km`` is the smoothing length of the haversine targets (65 and 75 km for PIGEOTTO's and PIGEON's 2,000 cells,
    Haas et al. 2024; longer here in proportion to the larger cells). Of each photograph two versions in other cameras'
    colours are seen (``augment.another_camera`` of ``colour_strength``), whose embeddings are drawn together by
    ``consistency_weight`` times one minus their cosine.
    """

    tower: TowerPreset
    tau_km: float
    colour_strength: float
    consistency_weight: float


@dataclass(frozen=True, kw_only=True)
class TunePreset(LoopPreset):
    """How a fitted model, or a CLIP tower with new heads, is fine-tuned.

    ``tasks`` are names of ``tasks.TASK_SIZES`` that are learnt beside the geocells; ``elevation_offset_m`` is that of
    ``tasks.RegressionScale``.
    """

    smoothing: Smoothing
    tasks: tuple[str, ...] = ()
    elevation_offset_m: float = 408.0


@dataclass(frozen=True)
class HeadsPreset:
    """How linear heads are trained on embeddings that are there already.

    ``tasks`` are those beside the geocells, of ``tasks.TASK_SIZES``; ``elevation_offset_m`` is that of
    ``tasks.RegressionScale``. AdamW without a schedule; training ends after ``patience`` epochs without a lower median
    error on the validation split.
    """

    smoothing: Smoothing
    tasks: tuple[str, ...]
    elevation_offset_m: float
    learning_rate: float
    weight_decay: float
    batch: int
    epochs: int
    patience: int
    seed: int = 330


@dataclass(frozen=True)
class PlanetPreset:
    """One size of the procedural planet's whole recipe."""

    places: int
    min_cell_size: int
    gallery_per_place: int
    calibration_photographs: int
    evaluation_photographs: int
    fit: str


TOY_QUICK = FitPreset(
    tower=TowerPreset(image_size_px=96, patch_px=16, width=96, layers=3, heads=3, mlp_width=192),
    tau_km=250.0,
    epochs=4,
    batch=32,
    micro_batch=32,
    learning_rate=2e-3,
    weight_decay=0.02,
    warmup=0.1,
    colour_strength=0.1,
    consistency_weight=3.0,
    bfloat16=True,
)

TOY_FULL = FitPreset(
    tower=TowerPreset(image_size_px=96, patch_px=12, width=192, layers=4, heads=3, mlp_width=576),
    tau_km=150.0,
    epochs=5,
    batch=64,
    micro_batch=64,
    learning_rate=1e-3,
    weight_decay=0.05,
    warmup=0.05,
    colour_strength=0.1,
    consistency_weight=3.0,
    bfloat16=True,
)

FIT_PRESETS = {"toy-quick": TOY_QUICK, "toy-full": TOY_FULL}

PIGEON_HEADS = HeadsPreset(
    smoothing=Smoothing(75.0, normalised=False),
    tasks=("regression", "climate", "month"),
    elevation_offset_m=408.0,
    learning_rate=2e-5,
    weight_decay=0.01,
    batch=1024,
    epochs=1000,
    patience=20,
)
"""Haas et al. 2024 and its code, whose patience is without end; PIGEOTTO's photographs have no month."""

HEADS_PRESETS = {
    "pigeon": PIGEON_HEADS,
    "pigeotto": replace(
        PIGEON_HEADS,
        smoothing=Smoothing(65.0, normalised=False),
        tasks=("regression", "climate"),
        elevation_offset_m=416.0,
    ),
    "toy": replace(PIGEON_HEADS, smoothing=Smoothing(250.0), learning_rate=1e-2, batch=128, epochs=100, patience=20),
}

PIGEON_TUNE = TunePreset(
    smoothing=PIGEON_HEADS.smoothing,
    tasks=PIGEON_HEADS.tasks,
    elevation_offset_m=PIGEON_HEADS.elevation_offset_m,
    epochs=20,
    patience=3,
    batch=PIGEON_HEADS.batch,
    micro_batch=32,
    learning_rate=PIGEON_HEADS.learning_rate,
    weight_decay=PIGEON_HEADS.weight_decay,
    warmup=0.02,
    bfloat16=True,
)
PIGEOTTO_HEADS = HEADS_PRESETS["pigeotto"]

TUNE_PRESETS = {
    "pigeon": PIGEON_TUNE,
    "pigeotto": replace(
        PIGEON_TUNE,
        smoothing=PIGEOTTO_HEADS.smoothing,
        tasks=PIGEOTTO_HEADS.tasks,
        elevation_offset_m=PIGEOTTO_HEADS.elevation_offset_m,
        epochs=4,
        patience=2,
        micro_batch=128,
    ),
    "toy": TunePreset(
        smoothing=Smoothing(250.0),
        epochs=3,
        patience=2,
        batch=32,
        micro_batch=32,
        learning_rate=5e-4,
        weight_decay=0.02,
        warmup=0.1,
    ),
}
"""Smoothing, tasks, batch, rate, weight decay and seed of PIGEON and PIGEOTTO are published (Haas et al. 2024 and its
code, which gives them for the heads); epochs, patience and warm-up are ours: the published run has a constant rate and
no early stopping."""

PLANET_PRESETS = {
    "quick": PlanetPreset(
        places=1500,
        min_cell_size=100,
        gallery_per_place=4,
        calibration_photographs=128,
        evaluation_photographs=500,
        fit="toy-quick",
    ),
    "full": PlanetPreset(
        places=14000,
        min_cell_size=40,
        gallery_per_place=1,
        calibration_photographs=512,
        evaluation_photographs=2000,
        fit="toy-full",
    ),
}


@dataclass(frozen=True)
class CellPreset:
    """How many training photographs a geocell holds, and how larger ones are divided.

    ``schedule`` lists the OPTICS settings (min_samples, xi) in their order (Haas et al. 2024). ``sample`` bounds the
    photographs that one clustering looks at; ``min_samples`` shrinks in proportion. An island farther than
    ``island_reach_km`` from the rest of its country keeps a geocell of its own, however few its photographs.
    """

    min_size: int
    max_size: int
    schedule: tuple[tuple[int, float], ...]
    island_reach_km: float = 1000.0
    sample: int = 2000


CELL_PRESETS = {
    "pigeon": CellPreset(30, 60, ((8, 0.05), (10, 0.025), (15, 0.015))),
    "pigeotto": CellPreset(1000, 2000, ((300, 0.05), (400, 0.005), (1000, 0.0001))),
    "toy": CellPreset(40, 1000, ((8, 0.05), (10, 0.025), (15, 0.015))),
}


def sized(preset: CellPreset, min_size: int | None, max_size: int | None) -> CellPreset:
    """Return a preset with other sizes where they are given. Raises UsageError where the least exceeds the most."""
    least, most = min_size or preset.min_size, max_size or preset.max_size
    if least > most:
        raise UsageError(f"expected geocells of at most as many photographs as at least, found {least} to {most}; "
                         "give --min-size and --max-size together")  # fmt: skip
    return replace(preset, min_size=least, max_size=most)


@dataclass(frozen=True)
class LocationPreset:
    """The OPTICS setting of location clusters within a geocell (Haas et al. 2024), and how far noise is taken along.

    A place that OPTICS calls noise joins a cluster within ``reach_km``; the published recipe discards it.
    """

    min_samples: int
    xi: float
    reach_km: float = 15.0


LOCATION_PRESETS = {
    "pigeon": LocationPreset(3, 0.15),
    "pigeotto": LocationPreset(100, 0.1),
    "toy": LocationPreset(3, 0.15),
}
