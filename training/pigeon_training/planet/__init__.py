"""An invented planet: a world model and a renderer of street scenes, so that the project can train without data."""

from __future__ import annotations

from pigeon_training.planet.render import render
from pigeon_training.planet.scene import Scene
from pigeon_training.planet.world import World, make_world, sample_places

__all__ = ["Scene", "World", "make_world", "render", "sample_places"]
