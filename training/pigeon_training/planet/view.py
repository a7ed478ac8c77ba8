"""The camera, the light and the pen: three-dimensional shapes in metres become polygons on a canvas.

Axes seen from the camera: x to the right and y upwards in metres from the middle of the road, z ahead.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from PIL import ImageDraw

from pigeon_training.planet.nature import mix
from pigeon_training.planet.scene import Scene
from pigeon_training.planet.style import Rgb

Point = tuple[float, float]
Corner = tuple[float, float, float]
_NEAR_M = 1.2


@dataclass(frozen=True)
class Light:
    """The sun of one photograph and how strongly it lights surfaces by the way they face."""

    azimuth_deg: float
    height_deg: float
    overcast: bool
    east: float
    """Light on faces that look to the right."""
    west: float
    """Light on faces that look to the left."""
    front: float
    """Light on faces that look at the camera."""
    top: float
    """Light on the ground and on roofs."""


def make_light(scene: Scene, dice: random.Random) -> Light:
    """Return the light at some hour round noon."""
    hour_deg = dice.uniform(-38, 38)
    azimuth_deg = scene.sun_azimuth_deg + hour_deg
    height_deg = scene.sun_height_deg - 0.3 * abs(hour_deg)
    overcast = dice.random() < 0.55 * scene.cloudiness
    low = max(4.0, height_deg)
    across = math.cos(math.radians(low))
    x, z = across * math.sin(math.radians(azimuth_deg)), across * math.cos(math.radians(azimuth_deg))
    day = 0.55 + 0.45 * min(1.0, max(0.0, (height_deg + 6) / 14))
    ambient, direct = (0.82 * day, 0.1 * day) if overcast else (0.66 * day, 0.46 * day)
    return Light(
        azimuth_deg,
        low,
        overcast,
        east=ambient + direct * max(0.0, x),
        west=ambient + direct * max(0.0, -x),
        front=ambient + direct * max(0.0, -z),
        top=ambient + direct * (0.45 + 0.55 * math.sin(math.radians(low))),
    )


@dataclass(frozen=True, eq=False)
class View:
    """One photograph being drawn."""

    pen: ImageDraw.ImageDraw
    scene: Scene
    light: Light
    size: float
    """Side of the canvas in canvas pixels."""
    focal: float
    middle: Point
    """Where the end of the road lies on the canvas."""
    roll: float
    eye: Point
    """The camera's x and y in metres."""
    haze_rgb: Rgb
    haze_m: float

    def at(self, x: float, y: float, z: float) -> Point:
        """Return the canvas point of a point in metres."""
        scale = self.focal / max(z, _NEAR_M)
        across = self.middle[0] + (x - self.eye[0]) * scale
        return across, self.middle[1] + (self.eye[1] - y) * scale + (across - self.size / 2) * self.roll

    def tone(self, rgb: Rgb, light: float, z: float) -> Rgb:
        """Return a colour under a light, faded by the air over z metres."""
        fade = 1.0 - math.exp(-z / self.haze_m)
        keep, haze = light * (1.0 - fade), self.haze_rgb
        return (
            min(255, int(rgb[0] * keep + haze[0] * fade)),
            min(255, int(rgb[1] * keep + haze[1] * fade)),
            min(255, int(rgb[2] * keep + haze[2] * fade)),
        )

    def snowed(self, rgb: Rgb, share: float) -> Rgb:
        """Return a colour under the scene's snow, of which share stays lying."""
        return mix(rgb, (246, 248, 252), share * self.scene.snow)

    def face(self, rgb: Rgb, light: float, corners: list[Corner]) -> None:
        """Fill the polygon of corners in metres; the first corner's z sets the haze."""
        self.pen.polygon([self.at(*corner) for corner in corners], fill=self.tone(rgb, light, corners[0][2]))

    def strip(self, rgb: Rgb, x: Point, z: Point, y: float = 0.0) -> None:
        """Fill a level rectangle on the ground."""
        (x0, x1), (z0, z1) = x, z
        self.face(rgb, self.light.top, [(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)])

    def panel(self, rgb: Rgb, x: Point, y: Point, z: float) -> None:
        """Fill an upright rectangle that looks at the camera."""
        (x0, x1), (y0, y1) = x, y
        self.face(rgb, self.light.front, [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)])

    def side(self, rgb: Rgb, x: float, y: Point, z: Point) -> None:
        """Fill an upright rectangle along the road, looking at the road."""
        (y0, y1), (z0, z1) = y, z
        self.face(rgb, self.road_light(x), [(x, y0, z0), (x, y0, z1), (x, y1, z1), (x, y1, z0)])

    def road_light(self, x: float) -> float:
        """Return the light on a face at x that looks at the road."""
        return self.light.west if x > 0 else self.light.east

    def disc(self, rgb: Rgb, centre: Corner, radii: Point) -> None:
        """Fill an upright ellipse with radii in metres."""
        x, y = self.at(*centre)
        scale = self.focal / max(centre[2], _NEAR_M)
        a, b = radii[0] * scale, radii[1] * scale
        self.pen.ellipse((x - a, y - b, x + a, y + b), fill=self.tone(rgb, self.light.front, centre[2]))

    def rod(
        self, rgb: Rgb, ends: tuple[tuple[float, float, float], tuple[float, float, float]], thick_m: float
    ) -> None:
        """Draw a line with a thickness in metres."""
        width = max(1, round(self.focal * thick_m / max(ends[0][2], _NEAR_M)))
        fill = self.tone(rgb, self.light.front, ends[0][2])
        self.pen.line([self.at(*ends[0]), self.at(*ends[1])], fill=fill, width=width)


def make_view(
    scene: Scene, pen: ImageDraw.ImageDraw, size: int, *, haze_rgb: Rgb, light: Light, dice: random.Random
) -> View:
    """Return a camera in the lane of its country, turned, tilted and rolled a little at random."""
    lane = -1.0 if scene.country.drives_left else 1.0
    misty = dice.random() < 0.25 * scene.haze + 0.04
    return View(
        pen=pen,
        scene=scene,
        light=light,
        size=float(size),
        focal=size * dice.uniform(0.6, 0.95),
        middle=(size * dice.uniform(0.25, 0.75), size * dice.uniform(0.4, 0.63)),
        roll=dice.uniform(-0.06, 0.06),
        eye=(lane * dice.uniform(1.1, 2.1), dice.uniform(2.0, 2.9)),
        haze_rgb=haze_rgb,
        haze_m=dice.uniform(50, 80) if misty else dice.uniform(150, 400),
    )
