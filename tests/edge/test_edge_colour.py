"""Embedded ICC profiles."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageCms

from pigeon_edge.images.colour import to_srgb
from pigeon_edge.images.photograph import read_rgb

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def swapped_profile():
    """Return a profile like sRGB, but in which the first channel is blue and the third red."""
    named = SRGB.replace("sRGB".encode("utf-16-be"), "xRGB".encode("utf-16-be"))
    assert named != SRGB
    return named.replace(b"rXYZ", b"tmp_", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"tmp_", b"bXYZ", 1)


def rgb_of(image):
    return np.asarray(to_srgb(image)).reshape(-1, 3)[0].tolist()


def with_profile(mode, colour, profile):
    image = Image.new(mode, (4, 4), colour)
    image.info["icc_profile"] = profile
    return image


def test_profile_says_which_colour_a_channel_is(swapped_profile):
    red, green, blue = rgb_of(with_profile("RGB", (255, 0, 0), swapped_profile))
    assert (red, green) == (0, 0)
    assert blue >= 253


def test_profile_is_honoured_from_a_file(tmp_path, swapped_profile):
    path = tmp_path / "blue.png"
    Image.new("RGB", (8, 8), (255, 0, 0)).save(path, icc_profile=swapped_profile)
    red, _, blue = np.asarray(read_rgb(path))[0, 0].tolist()
    assert red == 0
    assert blue >= 253


def test_profile_applies_under_transparency(swapped_profile):
    red, _, blue = rgb_of(with_profile("RGBA", (255, 0, 0, 255), swapped_profile))
    assert red == 0
    assert blue >= 253


@pytest.mark.parametrize("profile", [SRGB, b"no profile", b""])
def test_srgb_and_broken_profiles_change_nothing(profile):
    assert rgb_of(with_profile("RGB", (200, 100, 50), profile)) == [200, 100, 50]


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_profile_of_another_colour_space_is_ignored(mode, swapped_profile):
    plain = Image.new(mode, (4, 4))
    assert rgb_of(with_profile(mode, plain.getpixel((0, 0)), swapped_profile)) == rgb_of(plain)


@pytest.mark.parametrize(("brightest", "expected"), [(1.0, 128), (1.2, 1), (255.0, 128), (300.0, 1), (65535.0, 128)])
def test_white_of_a_float_image_is_the_range_that_holds_its_brightest_pixel(brightest, expected):
    values = np.array([[0.5, 1.0]], np.float32) * brightest
    assert np.asarray(to_srgb(Image.fromarray(values)))[0, 0].tolist() == [expected] * 3
