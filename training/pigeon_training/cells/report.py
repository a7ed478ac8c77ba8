"""What was made: sizes, how cells came about, and which could not have the size that was asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from pigeon_training.cells.semantic import Made
from pigeon_training.presets import CellPreset


def report_of(made: Made, preset: CellPreset) -> dict[str, Any]:
    """Return the report as JSON: the same for the same photographs, whatever their order."""
    cells = made.partition.cells
    sizes = np.array([cell.size for cell in cells])
    quantiles = np.percentile(sizes, [0, 25, 50, 75, 100]).tolist()
    return {
        "preset": asdict(preset),
        "photographs": int(sizes.sum()),
        "regions": len(made.partition.regions),
        "cells": len(cells),
        "countries": len({(cell.country_code, cell.country) for cell in cells}),
        "sizes": dict(zip(("least", "quarter", "half", "three_quarters", "most"), quantiles, strict=True)),
        "made_by": dict(Counter(made.kinds).most_common()),
        "too_small": _exceptions(made, sizes < preset.min_size),
        "too_large": _exceptions(made, sizes > preset.max_size),
        "sampled": f"one clustering looks at {preset.sample} photographs at most, drawn with a fixed seed; where "
        "there are more, min_samples and the least cluster shrink in proportion, and every photograph then joins its "
        "nearest seed; the sizes above count all photographs",
    }


def summary(made: Made, preset: CellPreset) -> list[str]:
    """Return the report in lines for people."""
    sizes = np.array([cell.size for cell in made.partition.cells])
    lines = [f"{len(sizes)} geocells of {sizes.min()} to {sizes.max()} photographs, median {int(np.median(sizes))}"]
    for words, wrong in (("fewer", sizes < preset.min_size), ("more", sizes > preset.max_size)):
        reasons = Counter(made.why[number] for number in np.flatnonzero(wrong).tolist())
        limit = preset.min_size if words == "fewer" else preset.max_size
        lines += [f"{count} have {words} than {limit} photographs: {why}" for why, count in reasons.most_common()]
    return lines


def _exceptions(made: Made, wrong: Any) -> list[dict[str, Any]]:
    return [
        {"id": cell.id, "place": str(cell.place), "size": cell.size, "why": made.why[number]}
        for number, cell in enumerate(made.partition.cells)
        if wrong[number]
    ]
