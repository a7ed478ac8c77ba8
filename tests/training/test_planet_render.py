"""Street scenes: repeatable, varied, and with their cues in sight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from pigeon_edge.errors import UsageError
from pigeon_training.planet import Scene, World, make_world, render

Picture = npt.NDArray[np.uint8]  # (H, W, 3)
GREY = (120, 120, 120)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(3)


@pytest.fixture(scope="module")
def scene(world: World) -> Scene:
    return world.describe(world.settlement.towns[0].lat_lng, 6, 20.0)


def vivid_hues(picture: Picture) -> npt.NDArray[np.float64]:
    """Return the shares (24,) of the hues of vivid pixels above the road."""
    red, green, blue = np.moveaxis(picture[:64].astype(np.float64), -1, 0)
    hue = np.arctan2(3**0.5 * (green - blue), 2 * red - green - blue)
    vivid = np.ptp(picture[:64].astype(int), axis=-1) > 90
    counts = np.histogram(hue[vivid], bins=24, range=(-np.pi, np.pi))[0]
    return np.sqrt(counts / max(1, counts.sum()))


def test_one_seed_gives_one_picture(scene: Scene) -> None:
    first, again = render(scene, 96, 4), render(scene, 96, 4)
    assert first.shape == (96, 96, 3)
    assert first.dtype == np.uint8
    assert first.tobytes() == again.tobytes()


def test_another_seed_gives_another_picture(scene: Scene) -> None:
    first, other = render(scene, 96, 4).astype(int), render(scene, 96, 5).astype(int)
    assert np.abs(first - other).mean() > 10


def test_the_same_seed_shows_the_same_street_at_any_size(scene: Scene) -> None:
    small, large = render(scene, 48, 4).astype(float), render(scene, 96, 4).astype(float)
    shrunk = large.reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - shrunk).mean() < 12


def test_pictures_are_neither_black_nor_white(world: World) -> None:
    for index, town in enumerate(world.settlement.towns[:30]):
        picture = render(world.describe(town.lat_lng, 1 + index % 12, 30.0 * index), 48, index)
        assert 30 < picture.mean() < 225
        assert picture.std() > 20


def line_offset(scene: Scene, drives_left: bool, seed: int) -> float:
    """Return how far right of the middle the centre line enters the picture, with a line that alone is pure green."""
    style = replace(
        scene.country, drives_left=drives_left, line_rgb=(0, 255, 0), line_pattern="solid", edge_rgb=None, kerb_rgb=GREY
    )
    plain = replace(scene, country=style, ground_rgb=GREY, leaf_rgb=GREY, snow=0.0, landmark=None)
    near = render(plain, 96, seed)[70:].astype(int)
    _, column = np.nonzero((near[..., 1] > near[..., 0] + 60) & (near[..., 1] > near[..., 2] + 60))
    return float(column.mean()) - 48 if len(column) else 0.0


def test_the_centre_line_is_on_the_other_side_where_people_drive_on_the_left(scene: Scene) -> None:
    left = np.mean([line_offset(scene, True, seed) for seed in range(24)])
    right = np.mean([line_offset(scene, False, seed) for seed in range(24)])
    assert right < -5
    assert left > 5


def test_snow_whitens_the_ground(scene: Scene) -> None:
    bare, white = (
        np.mean([render(replace(scene, snow=snow), 48, seed)[30:].mean() for seed in range(8)]) for snow in (0.0, 1.0)
    )
    assert white > bare + 8


def test_a_polar_night_is_darker_than_a_summer_noon(scene: Scene) -> None:
    night, noon = (
        np.mean([render(replace(scene, sun_height_deg=high), 48, seed).mean() for seed in range(8)])
        for high in (-15.0, 60.0)
    )
    assert night < 0.8 * noon


def test_mountains_rise_where_the_relief_is_high(scene: Scene) -> None:
    hills, plain = (render(replace(scene, relief=relief, built_up=0.0), 96, 2).astype(int) for relief in (1.0, 0.0))
    assert np.abs(hills - plain)[:48].mean() > 1.5 * np.abs(hills - plain)[60:].mean()


def test_the_landmark_is_in_sight_in_most_pictures(scene: Scene) -> None:
    seen = [
        np.abs(render(scene, 96, seed).astype(int) - render(replace(scene, landmark=None), 96, seed))[:60].mean() > 2
        for seed in range(20)
    ]
    assert sum(seen) >= 15


def test_two_pictures_of_one_town_are_more_alike_than_of_two_towns(world: World) -> None:
    rng = np.random.default_rng(0)
    towns = rng.choice(len(world.settlement.towns), 12, replace=False)
    looks = np.stack(
        [
            [
                vivid_hues(render(world.describe(world.settlement.towns[t].lat_lng, 6, 90.0 * k), 96, 100 * t + k))
                for k in range(4)
            ]
            for t in map(int, towns)
        ]
    )  # (towns, 4, 24)
    flat, home = looks.reshape(48, 24), np.repeat(np.arange(12), 4)
    gaps = np.abs(flat[:, None] - flat[None]).sum(axis=-1)
    same = (home[:, None] == home[None]) & ~np.eye(48, dtype=bool)
    assert gaps[same].mean() < 0.85 * gaps[home[:, None] != home[None]].mean()


@pytest.mark.parametrize(("size_px", "seed"), [(8, 1), (96, -1)])
def test_a_size_or_seed_that_cannot_be_meant_is_refused(scene: Scene, size_px: int, seed: int) -> None:
    with pytest.raises(UsageError, match="16 pixels or more"):
        render(scene, size_px, seed)
