"""The constants of an ablation, in one frozen value a size."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pigeon_training.presets import (
    CELL_PRESETS,
    HEADS_PRESETS,
    TOY_QUICK,
    TUNE_PRESETS,
    CellPreset,
    HeadsPreset,
    TowerPreset,
    TunePreset,
    sized,
)


@dataclass(frozen=True)
class AblationSettings:
    """How large the planet and the towers are, and how long each stage trains.

    ``base_steps`` batches of descriptions make the base tower, once; ``contrast_steps`` batches of captions make the
    contrastive one, for each of ``seeds``. A batch has ``contrast_batch`` photographs, at ``contrast_rate``.
    """

    places: int
    tower: TowerPreset
    base_steps: int
    contrast_steps: int
    contrast_rate: float
    contrast_batch: int
    cells: CellPreset
    heads: HeadsPreset
    tune: TunePreset
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = AblationSettings(
    places=2000,
    tower=TOY_QUICK.tower,
    base_steps=200,
    contrast_steps=100,
    contrast_rate=1e-3,
    contrast_batch=256,
    cells=sized(CELL_PRESETS["toy"], 24, 72),
    heads=HEADS_PRESETS["toy"],
    tune=TUNE_PRESETS["toy"],
)

FULL = replace(QUICK, places=6000, base_steps=1000, contrast_steps=300, cells=sized(CELL_PRESETS["toy"], 60, 180))

SIZES = {"quick": QUICK, "full": FULL}
