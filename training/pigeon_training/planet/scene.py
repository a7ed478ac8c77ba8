"""What the renderer needs to know of a place, a month and a direction, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from pigeon_training.planet.style import CountryStyle, Landmark, RegionStyle, Rgb


@dataclass(frozen=True)
class Scene:
    """One view along a street."""

    sun_azimuth_deg: float
    """Direction of the noon sun relative to the view, -180 to 180, positive to the right."""
    sun_height_deg: float
    """Height of the noon sun; below 0 in the polar night."""
    cloudiness: float
    """Chance of cloud, 0 to 1."""
    haze: float
    """Dust or damp in the air, 0 to 1."""
    ground_rgb: Rgb
    soil_rgb: Rgb
    leaf_rgb: Rgb
    tree: str
    """One of conifer, leafy, bare, cypress, shrub, cactus, acacia, palm."""
    tree_density: float
    """0 to 1."""
    snow: float
    """How much of the ground is white, 0 to 1."""
    relief: float
    """Height of the horizon, 0 (plain) to 1 (mountains)."""
    country: CountryStyle
    region: RegionStyle
    landmark: Landmark | None
    built_up: float
    """Density of houses, 0 (open country) to 1 (centre of a town)."""
