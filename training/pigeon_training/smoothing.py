"""How targets over geocells are smoothed. Pure, and without torch: presets hold it."""

from __future__ import annotations

from dataclasses import dataclass

from pigeon_edge.errors import UsageError


@dataclass(frozen=True)
class Smoothing:
    """How a photograph's target spreads over geocells.

    ``tau_km`` is the length of the haversine smoothing (75 km for PIGEON, 65 for PIGEOTTO; Haas et al. 2024); at 0, the
    limit, the own cell has all of it. A ``normalised`` target sums to one; the published one does not, so that
    photographs where cells are dense weigh many times more.
    """

    tau_km: float
    normalised: bool = True

    def __post_init__(self) -> None:
        """Raise UsageError for a length that cannot be meant."""
        if self.tau_km < 0:
            raise UsageError(f"expected a smoothing length of 0 km or more, found {self.tau_km}")
