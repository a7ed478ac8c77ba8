"""Pictures of the planet: its map with estimates drawn on it, and its photographs side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pigeon_edge.errors import InputError
from pigeon_edge.events.event import Event
from pigeon_training.planet.world import World, make_world

_SEA_RGB = (214, 226, 236)
_PALETTE = ((236, 229, 214), (226, 217, 196), (240, 235, 222), (219, 212, 190), (231, 222, 203))
_TRUTH_RGB, _ESTIMATE_RGB, _LINE_RGB = (24, 128, 64), (200, 40, 40), (90, 90, 90)


def write_atlas(events: Path, out: Path, seed: int) -> None:
    """Write ``map.png`` and ``photographs.jpg`` for the located events that have GPS. Raises InputError for none."""
    try:
        read = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"{events}: expected JSON lines of `pigeon-edge geotag`, {error}") from error
    drawn = [event for event in read if "gps" in event]
    if not drawn:
        raise InputError(f"{events}: expected located photographs with GPS, found none; give those of the planet")
    out.mkdir(parents=True, exist_ok=True)
    map_of_estimates(make_world(seed), drawn).save(out / "map.png", optimize=True)
    contact_sheet([Path(event["source_id"]) for event in drawn], columns=8).save(out / "photographs.jpg", quality=90)


def map_of_estimates(world: World, events: Sequence[Event], width_px: int = 1440) -> Image.Image:
    """Return an equirectangular map: truths (EXIF GPS) in green, estimates in red, joined by a line."""
    picture = Image.fromarray(_countries(world, width_px))
    draw = ImageDraw.Draw(picture)
    for event in events:
        truth, estimate = (_position(event[key], width_px) for key in ("gps", "location"))
        if abs(truth[0] - estimate[0]) < width_px / 2:
            draw.line([truth, estimate], fill=_LINE_RGB, width=2)
        for (x, y), rgb in ((truth, _TRUTH_RGB), (estimate, _ESTIMATE_RGB)):
            draw.ellipse([x - 5, y - 5, x + 5, y + 5], fill=rgb, outline="white")
    return picture


def contact_sheet(photographs: Sequence[Path], columns: int, tile_px: int = 144) -> Image.Image:
    """Return photographs in rows of ``columns``."""
    rows = -(-len(photographs) // columns)
    sheet = Image.new("RGB", (columns * tile_px, rows * tile_px), "white")
    for number, path in enumerate(photographs):
        with Image.open(path) as image:
            tile = image.convert("RGB").resize((tile_px, tile_px), Image.Resampling.LANCZOS)
        sheet.paste(tile, (number % columns * tile_px, number // columns * tile_px))
    return sheet


def _countries(world: World, width_px: int) -> npt.NDArray[np.uint8]:
    """Return (width / 2, width, 3) uint8: countries in paper colours, their borders in white, the sea in blue."""
    step_deg = 360 / width_px
    lat, lng = np.arange(90 - step_deg / 2, -90, -step_deg), np.arange(-180 + step_deg / 2, 180, step_deg)
    grid = np.stack(np.meshgrid(lat, lng, indexing="ij"), axis=-1)  # (H, W, 2)
    country, _ = world.nation_of(grid.reshape(-1, 2))
    country = country.reshape(grid.shape[:2])  # (H, W), -1 at sea
    colours = np.array([*_PALETTE, _SEA_RGB], np.uint8)
    picture = colours[np.where(country < 0, len(_PALETTE), country % len(_PALETTE))]
    border = (country != np.roll(country, 1, axis=1)) | (country != np.roll(country, 1, axis=0))
    picture[border & (country >= 0)] = 255
    return picture


def _position(point: Event, width_px: int) -> tuple[float, float]:
    return ((point["lon"] + 180) / 360 * width_px, (90 - point["lat"]) / 360 * width_px)
