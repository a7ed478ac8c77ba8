"""The earlier systems by name, in the order in which they were published."""

from __future__ import annotations

from pigeon_training.study.earlier.classes import FitClassifier
from pigeon_training.study.earlier.cplanet import CPlanet
from pigeon_training.study.earlier.im2gps import im2gps
from pigeon_training.study.earlier.isns import Isns
from pigeon_training.study.earlier.photographs import Locate
from pigeon_training.study.earlier.planet_cells import PlanetCells
from pigeon_training.study.earlier.regression import Regression
from pigeon_training.study.earlier.revisited_im2gps import RevisitedIm2gps


def earlier_systems(fit: FitClassifier, min_size: int, max_size: int, seed: int) -> tuple[tuple[str, Locate], ...]:
    """Return names and systems.

    Those that classify fit heads with ``fit``, over squares of ``min_size`` to ``max_size`` training photographs;
    ``seed`` turns CPlaNet's partitions.
    """
    return (
        ("IM2GPS", im2gps),
        ("PlaNet", PlanetCells(fit, min_size, max_size)),
        ("IM2GPS revisited", RevisitedIm2gps()),
        ("CPlaNet", CPlanet(fit, min_size, max_size, seed=seed)),
        ("ISNs", Isns(fit, min_size, max_size)),
        ("regression", Regression()),
    )
