"""The source grammar: what a name on the command line stands for.

trip.mp4, file:///data/trip.mp4      a video file
photos/                              a folder of images, in the order of their names
0, /dev/video0, v4l2:///dev/video0   a camera device
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pigeon_edge.errors import InputError
from pigeon_edge.images.photograph import DEFAULT_MAX_PIXELS, Photograph, read_photograph
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.images.scan import scan
from pigeon_edge.streams.frame import Frame
from pigeon_edge.streams.video import video_frames


def open_source(name: str, max_pixels: int = DEFAULT_MAX_PIXELS) -> Iterator[Frame]:
    """Yield the frames that a source name stands for.

    Images of more than ``max_pixels`` cannot be read. Raises InputError where there is no such source.
    """
    device = _device(name)
    if device:
        return video_frames(device, "v4l2")
    path = Path(name.removeprefix("file://"))
    if not path.exists():
        raise InputError(f"{name}: no such source; expected a video file, a folder of images or a camera device")
    return _folder_frames(path, max_pixels) if path.is_dir() else video_frames(str(path))


def _device(name: str) -> str | None:
    if name.isdigit():
        return f"/dev/video{name}"
    path = name.removeprefix("v4l2://")
    return path if name.startswith("v4l2://") or Path(path).is_char_device() else None


def _folder_frames(folder: Path, max_pixels: int) -> Iterator[Frame]:
    """Yield photographs as frames: they have names and no times."""
    for index, path in enumerate(scan([folder]).photographs):
        yield Frame(partial(_read, path, max_pixels), index, None, str(path))


def _read(path: Path, max_pixels: int, spec: PreprocessSpec) -> Photograph:
    return read_photograph(path, spec, max_pixels)
