from __future__ import annotations

import json
import struct
import sys
from fractions import Fraction

import numpy as np
import pytest

from pigeon_edge.errors import InputError, MissingToolError, PartialFailureError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.streams import source as source_module
from pigeon_edge.streams.frame import Frame
from pigeon_edge.streams.runner import at_rate, stream_events
from pigeon_edge.streams.source import open_source
from pigeon_edge.streams.video import video_frames
from pigeon_edge.testing import write_colour

av = pytest.importorskip("av")

SPEC = PreprocessSpec(48)
COLOURS = {"Rubra": (250, 5, 5), "Verda": (5, 250, 5), "Blua": (5, 5, 250)}
RATE = 10


def write_video(path, seconds=3, codec="libx264"):
    """Write a video at 10 frames a second: red above grey for a second, then green, then blue."""
    if codec not in av.codecs_available:
        codec = "mpeg4"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(seconds * RATE):
            picture = rng.integers(100, 140, (48, 64, 3), dtype=np.uint8)
            picture[:24] = list(COLOURS.values())[number // RATE % 3]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "trip.mp4")


def _colour_of(frame):
    return ["Rubra", "Verda", "Blua"][int(frame.read(SPEC).pixels[:16].mean(axis=(0, 1)).argmax())]


def _collect(frames):
    found, error = [], None
    try:
        found.extend(frames)
    except PartialFailureError as broken:
        error = broken
    return found, error


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_video_gives_every_frame_with_its_time(tmp_path, codec):
    found = list(open_source(str(write_video(tmp_path / "a.mp4", codec=codec))))
    assert [frame.index for frame in found] == list(range(30))
    assert [frame.pts_s for frame in found] == pytest.approx([number / 10 for number in range(30)])
    assert [_colour_of(frame) for frame in found[5::10]] == ["Rubra", "Verda", "Blua"]
    assert found[0].to_json(found[0].read(SPEC)) == {"index": 0, "pts_s": 0.0, "width": 64, "height": 48}


def test_a_file_url_is_a_file(video):
    assert next(open_source(f"file://{video}")).index == 0


def test_time_begins_with_the_first_frame_where_a_container_begins_later(tmp_path):
    found = list(open_source(str(write_video(tmp_path / "a.ts"))))
    with av.open(str(tmp_path / "a.ts")) as container:
        assert next(container.decode(video=0)).time > 0
    assert found[0].pts_s == 0.0
    assert found[-1].pts_s == pytest.approx(2.9, abs=0.01)


@pytest.mark.parametrize(
    ("fps", "indices"), [(1, [0, 10, 20]), (2, [0, 5, 10, 15, 20, 25]), (0.5, [0, 20]), (100, list(range(30)))]
)
def test_the_first_frame_of_each_period_is_taken(video, fps, indices):
    assert [frame.index for frame in at_rate(open_source(str(video)), fps)] == indices


def test_gaps_in_time_neither_repeat_nor_starve():
    frames = [Frame(_unread, index, pts_s) for index, pts_s in enumerate([0, 0.4, 5.2, 5.9, 6.0, 6.1])]
    assert list(at_rate(frames, 1)) == [frames[0], frames[2], frames[4]]


def test_frames_without_times_are_all_taken():
    frames = [Frame(_unread, index, None) for index in range(3)]
    assert list(at_rate(frames, 0.5)) == frames


def _unread(spec):
    raise AssertionError("a frame that is not located is not decoded")


def test_events_of_a_video_know_place_and_frame(video, locator):
    events = list(stream_events("trip.mp4", at_rate(open_source(str(video)), 1), locator))
    assert [event["place"]["country"] for event in events] == list(COLOURS)
    assert [event["frame"] for event in events] == [
        {"index": index, "pts_s": float(pts_s), "width": 64, "height": 48}
        for index, pts_s in ((0, 0), (10, 1), (20, 2))
    ]
    assert {event["source_id"] for event in events} == {"trip.mp4"}
    json.dumps(events, allow_nan=False)


TURNS = {  # display matrix (a, b, c, d) of a turn clockwise, and where the stored upper half is shown
    90: ((0, 1, -1, 0), lambda shown: shown[:, 33:]),
    180: ((-1, 0, 0, -1), lambda shown: shown[26:]),
    270: ((0, -1, 1, 0), lambda shown: shown[:, :15]),
}


@pytest.mark.parametrize("clockwise_deg", TURNS)
def test_a_turned_video_is_shown_upright(tmp_path, video, clockwise_deg):
    (a, b, c, d), upper_half = TURNS[clockwise_deg]
    content = bytearray(video.read_bytes())
    matrix = content.index(b"tkhd") + 44
    content[matrix : matrix + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(content)
    shown = next(open_source(str(tmp_path / "turned.mp4"))).read(SPEC)
    assert shown.size == ((64, 48) if clockwise_deg == 180 else (48, 64))
    red, green, _ = upper_half(shown.pixels).reshape(-1, 3).mean(axis=0)
    assert red > 200
    assert green < 60


@pytest.mark.parametrize(("aspect", "size"), [(Fraction(2, 1), (128, 48)), (Fraction(1, 2), (64, 96))])
def test_pixels_that_are_no_squares_are_shown_as_displayed(tmp_path, aspect, size):
    with av.open(str(tmp_path / "wide.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for number in range(RATE):
            picture = np.full((48, 64, 3), 128, np.uint8)
            picture[:, :32] = COLOURS["Rubra"]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    shown = next(open_source(str(tmp_path / "wide.mp4"))).read(SPEC)
    assert shown.size == size
    red = shown.pixels[..., 0].astype(int) - shown.pixels[..., 1] > 60
    assert red[:, :22].all()
    assert not red[:, 26:].any()


def test_a_video_cut_in_a_packet_gives_its_frames_and_then_fails(tmp_path, video):
    content = video.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) * 3 // 4])
    found, error = _collect(open_source(str(tmp_path / "cut.mp4")))
    assert 10 < len(found) < 30
    assert [_colour_of(frame) for frame in found[5:16:10]] == ["Rubra", "Verda"]
    assert f"cut.mp4: 1 parts beside {len(found)} frames are damaged" in str(error)


def test_a_video_cut_before_its_pictures_says_so(tmp_path, video):
    content = video.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: content.index(b"mdat") + 8])
    with pytest.raises(InputError, match=r"cut.mp4: no frame could be decoded; the file is damaged or incomplete"):
        next(open_source(str(tmp_path / "cut.mp4")))


def test_what_is_no_video_says_so(tmp_path):
    (tmp_path / "text.mp4").write_text("Dear diary")
    with pytest.raises(InputError, match=r"text.mp4: cannot be opened as video \(Invalid data .*\); check what it is"):
        next(open_source(str(tmp_path / "text.mp4")))


def test_sound_without_pictures_says_so(tmp_path):
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(InputError, match=r"sound.wav: expected video, found none in it"):
        next(open_source(str(tmp_path / "sound.wav")))


def test_a_missing_source_says_what_sources_are(tmp_path):
    with pytest.raises(InputError, match=r"no such source; expected a video file, a folder of images or a camera"):
        open_source(str(tmp_path / "none.mp4"))


def test_video_without_its_reader_names_the_extra(video, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingToolError, match=r"pip install 'pigeon-edge\[streams\]'"):
        next(open_source(str(video)))


def test_a_folder_goes_on_after_a_broken_image(tmp_path, locator):
    for name, colour in (("1.png", "Rubra"), ("3.png", "Verda"), ("4.png", "Blua")):
        write_colour(tmp_path / name, COLOURS[colour])
    (tmp_path / "2.jpg").write_bytes(b"no photograph")
    events = list(stream_events("photos", open_source(str(tmp_path)), locator))
    assert [event["status"] for event in events] == ["located", "error", "located", "located"]
    assert "2.jpg: expected an image" in events[1]["error"]
    assert [event["source_id"] for event in events] == [str(path) for path in sorted(tmp_path.iterdir())]
    assert [event["frame"] for event in events if "frame" in event] == [
        {"index": index, "width": 64, "height": 48} for index in (0, 2, 3)
    ]
    assert [event["place"]["country"] for event in events if "place" in event] == list(COLOURS)


@pytest.mark.parametrize(
    ("name", "device"),
    [("0", "/dev/video0"), ("12", "/dev/video12"), ("v4l2:///dev/video3", "/dev/video3"), ("/dev/null", "/dev/null")],
)
def test_names_of_cameras(monkeypatch, name, device):
    opened = []
    monkeypatch.setattr(source_module, "video_frames", lambda *arguments: opened.append(arguments) or iter(()))
    assert list(open_source(name)) == []
    assert opened == [(device, "v4l2")]


def test_a_camera_that_is_not_there_says_so():
    with pytest.raises(InputError, match=r"/dev/video987: cannot be opened as video"):
        next(open_source("987"))


def test_input_device_gives_frames_in_its_own_time():
    # FFmpeg's test device is opened as a camera is: a name, and the format of an input device.
    if "lavfi" not in av.formats_available:
        pytest.skip("this build of FFmpeg has no lavfi input device")
    found = list(video_frames("color=red:size=64x48:rate=10:duration=1", "lavfi"))
    assert [frame.index for frame in found] == list(range(10))
    assert [frame.pts_s for frame in found] == pytest.approx([n / 10 for n in range(10)])
    shown = found[0].read(SPEC)
    assert shown.size == (64, 48)
    red, green, blue = shown.pixels[24, 24]
    assert red > 240
    assert max(green, blue) < 15
