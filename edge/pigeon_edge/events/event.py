"""The event: one JSON object for each photograph or frame, the same in files, on stdout and on the wire.

schema      "pigeon-edge/event@2"
source_id   the file or camera
status      "located", "withheld" (too unsure for the distance that was asked for) or "error"
location    lat, lon (degrees, datum WGS84), radius_m, radius_coverage,      }
            radius_50_m; within_m: how near the truth the answer may claim   } where located,
            to be, null where it may claim nothing                           } see estimate.Estimate
place       country_code, country, admin1                                    }
levels      probability of the country, the admin1 and the geocell           }
candidates  [{lat, lon, probability, share, cell, place}], best first:       }
            probability of the geocell, share of it among the candidates     }
refinement  applied, moved_m, photograph (row of the gallery)                }
environment what the surroundings are estimated to be, where the bundle tells; any key may be absent:
            elevation_m, population_per_km2, temperature_c, temperature_range_c, precipitation_mm,
            precipitation_range_mm, and climate, month, season as {value, probability}
gps         lat, lon, source: what the file says, "exif" or "xmp"; distance_m: how far the estimate is from it, where
            located
gps_problem why the position in the file cannot be known: one is there, and nothing should be written over it
note        what a user should know of how the photograph was read
frame       index, width, height, and pts_s where the source has times; where the source is a stream
error       one line; where status is "error"
model       {"bundle": name@digest}

A version may gain keys that its readers need not know; where a key changes its meaning, the version changes.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from pigeon_edge.answer.estimate import Estimate
from pigeon_edge.geodesy import LatLng, haversine_km
from pigeon_edge.images.photograph import Photograph
from pigeon_edge.images.position import Position

Event: TypeAlias = dict[str, Any]

SCHEMA = "pigeon-edge/event@2"


_OF_AN_ANSWER = ("location", "place", "levels", "candidates", "refinement", "environment")


def of_photograph(source_id: str, photograph: Photograph, estimate: Estimate, bundle_label: str) -> Event:
    """Return the event of a photograph: the estimate, and what its file says."""
    event = with_position(located(source_id, estimate, bundle_label), photograph.position)
    return {**event, "note": photograph.note} if photograph.note else event


def located(source_id: str, estimate: Estimate, bundle_label: str) -> Event:
    """Return the event of an estimate."""
    head = {"schema": SCHEMA, "source_id": source_id, "status": "located"}
    return {**head, **estimate.to_json(), "model": {"bundle": bundle_label}}


def failed(source_id: str, error: Exception, bundle_label: str) -> Event:
    """Return the event of an input that could not be located."""
    head = {"schema": SCHEMA, "source_id": source_id, "status": "error"}
    return {**head, "error": str(error), "model": {"bundle": bundle_label}}


def claims(event: Event, within_km: float) -> bool:
    """Return whether a located event may claim to be within a distance of the truth."""
    within_m = event["location"]["within_m"]
    return within_m is not None and within_m <= within_km * 1000


def withheld(event: Event) -> Event:
    """Return a located event without its answer."""
    kept = {key: value for key, value in event.items() if key not in _OF_AN_ANSWER}
    gps = {key: value for key, value in event.get("gps", {}).items() if key != "distance_m"}
    return {**kept, "status": "withheld", **({"gps": gps} if gps else {})}


def with_position(event: Event, position: Position | None) -> Event:
    """Return a located event that also carries the position that the file names, and the distance to it."""
    if position is None:
        return event
    if position.lat_lng is None:
        return {**event, "gps_problem": position.problem}
    location, (lat, lng) = event["location"], position.lat_lng
    distance_km = float(haversine_km((location["lat"], location["lon"]), LatLng(lat, lng)))
    gps = {"lat": lat, "lon": lng, "source": position.source, "distance_m": round(distance_km * 1000)}
    return {**event, "gps": gps}
