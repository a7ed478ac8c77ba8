"""Frames of video files and camera devices, decoded by PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from pigeon_edge.errors import InputError, MissingToolError, PartialFailureError
from pigeon_edge.streams.frame import Frame

_UPRIGHT = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


def video_frames(source: str, container_format: str | None = None) -> Iterator[Frame]:
    """Yield the frames of a video; ``container_format`` is FFmpeg's name of an input device, or None for a file.

    Raises InputError where it cannot be opened, PartialFailureError where it breaks off after its first frame.
    """
    with _opened(source, container_format) as container:
        yield from _decode(source, container)


@contextmanager
def _opened(source: str, container_format: str | None) -> Iterator[Any]:
    av = _import_av()
    try:
        container = av.open(source, format=container_format)
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{source}: cannot be opened as video ({error.strerror}); check what it is") from error
    with container:
        yield container


def _decode(source: str, container: Any) -> Iterator[Frame]:
    av = _import_av()
    if not container.streams.video:
        raise InputError(f"{source}: expected video, found none in it")
    container.streams.video[0].thread_type = "AUTO"
    count = 0
    try:
        for count, picture in enumerate(container.decode(video=0), start=1):
            yield Frame(_upright(picture), count - 1, float(picture.time or 0.0))
    except av.FFmpegError as error:
        kind = PartialFailureError if count else InputError
        raise kind(
            f"{source}: breaks off after {count} frames ({error.strerror}); the file is damaged or incomplete"
        ) from error
    if not count:
        raise InputError(f"{source}: no frame could be decoded; the file is damaged or incomplete")


def _upright(picture: Any) -> Image.Image:
    """Return an RGB image turned as the container's display matrix asks (counter-clockwise degrees)."""
    image: Image.Image = picture.to_image()
    turn = round(getattr(picture, "rotation", 0)) % 360
    return image.transpose(_UPRIGHT[turn]) if turn in _UPRIGHT else image


def _import_av() -> Any:
    try:
        import av  # only streams of video need FFmpeg
    except ImportError as error:
        raise MissingToolError("video needs PyAV: pip install 'pigeon-edge[streams]'") from error
    return av
