from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from pigeon_edge.errors import UsageError
from pigeon_edge.images.preprocess import GRAPH_METADATA_KEY, PreprocessSpec, frame_to_pixels, to_pixels


def _as_clip_does(image, size_px):
    """Resize the short side, bicubic, to whole pixels; crop the centre."""
    scale = size_px / min(image.size)
    width, height = (max(size_px, int(side * scale)) for side in image.size)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - size_px) // 2, (height - size_px) // 2
    return np.asarray(resized.crop((left, top, left + size_px, top + size_px)), np.uint8)


@pytest.mark.parametrize(
    ("size", "grey_levels"),
    [((300, 300), 0.5), ((64, 64), 0), ((512, 256), 1), ((640, 480), 5), ((480, 640), 5), ((1000, 333), 5)],
)
def test_pixels_are_those_of_clips_processor_but_for_its_crop_at_whole_pixels(size, grey_levels):
    coarse = np.random.default_rng(3).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    ours = to_pixels(image, PreprocessSpec(64)).astype(int)
    clips = _as_clip_does(image, 64).astype(int)
    assert ours.shape == (64, 64, 3)
    assert np.abs(ours - clips).mean() <= grey_levels
    assert np.abs(ours[:, ::-1] - clips).mean() > 10 * grey_levels


def test_the_centre_is_kept_and_the_ends_are_cut():
    image = Image.new("RGB", (300, 100), (255, 0, 0))
    image.paste((0, 0, 255), (100, 0, 200, 100))
    assert (to_pixels(image, PreprocessSpec(10))[:, 1:9] == (0, 0, 255)).all()
    np.testing.assert_array_equal(
        to_pixels(image.transpose(Image.Transpose.ROTATE_90), PreprocessSpec(10))[5, 5], (0, 0, 255)
    )


def test_rows_are_height_and_channels_are_rgb():
    frame = np.zeros((20, 20, 3), np.uint8)
    frame[:10] = (200, 100, 50)  # the upper half
    pixels = frame_to_pixels(frame, PreprocessSpec(20))
    np.testing.assert_array_equal(pixels, frame)


def test_one_pixel_fills_the_square():
    assert (to_pixels(Image.new("RGB", (1, 1), (7, 8, 9)), PreprocessSpec(4)) == (7, 8, 9)).all()


def test_a_spec_survives_json_and_graph_metadata():
    spec = PreprocessSpec(336, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    document = json.dumps(spec.to_json())
    assert PreprocessSpec.from_json(json.loads(document)) == spec
    assert PreprocessSpec.from_graph_metadata({GRAPH_METADATA_KEY: document}) == spec


def test_a_spec_with_other_keys_and_a_graph_without_one_are_refused():
    with pytest.raises(UsageError, match=r"has the keys \['mean', 'size_px', 'std'\], not \['size'\]"):
        PreprocessSpec.from_json({"size": 3})
    with pytest.raises(UsageError, match="pigeon-edge export onnx"):
        PreprocessSpec.from_graph_metadata({})
