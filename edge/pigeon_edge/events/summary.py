"""What became of a batch of photographs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pigeon_edge.events.event import Event, claims, withheld


@dataclass
class Summary:
    """Counts events as they pass."""

    located: int = 0
    withheld: int = 0
    unclear_positions: int = 0
    errors: list[str] = field(default_factory=list)
    gps_distances_km: list[float] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Count one event."""
        if event["status"] == "error":
            self.errors.append(event["error"])
            return
        self.unclear_positions += "gps_problem" in event
        if event["status"] == "withheld":
            self.withheld += 1
            return
        self.located += 1
        if "gps" in event:
            self.gps_distances_km.append(event["gps"]["distance_m"] / 1000)

    def __str__(self) -> str:
        withheld = [f"{self.withheld} withheld"] if self.withheld else []
        parts = [f"{self.located} located", *withheld, f"{len(self.errors)} failed"]
        if self.gps_distances_km:
            median_km = statistics.median(self.gps_distances_km)
            parts.append(f"median {median_km:,.1f} km from the GPS of the {len(self.gps_distances_km)} that have one")
        if self.unclear_positions:
            parts.append(f"{self.unclear_positions} with a position in the file that cannot be known")
        return ", ".join(parts)


def counted(events: Iterable[Event], summary: Summary, within_km: float | None) -> Iterator[Event]:
    """Count events and pass them on; of one whose answer does not claim ``within_km``, the answer is withheld."""
    for event in events:
        unsure = within_km is not None and event["status"] == "located" and not claims(event, within_km)
        told = withheld(event) if unsure else event
        summary.add(told)
        yield told
