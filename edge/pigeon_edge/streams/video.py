"""Frames of video files and camera devices, decoded by PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from PIL import Image

from pigeon_edge.errors import InputError, MissingToolError, PartialFailureError
from pigeon_edge.images.photograph import Photograph
from pigeon_edge.images.preprocess import PreprocessSpec, to_pixels
from pigeon_edge.streams.frame import Frame

_UPRIGHT = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


def video_frames(source: str, container_format: str | None = None) -> Iterator[Frame]:
    """Yield the frames of a video; ``container_format`` is FFmpeg's name of an input device, or None for a file.

    Raises InputError where it cannot be opened, PartialFailureError where it breaks off after its first frame or
    has damaged parts.
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
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    aspect = float(stream.sample_aspect_ratio or 1)
    count = damaged = 0
    begin_s = None
    try:
        for packet in container.demux(video=0):
            if packet.is_corrupt:  # decoding it would give a picture that was never filmed
                damaged += 1
                continue
            for picture in packet.decode():
                time_s = float(count / _nominal_fps(stream) if picture.time is None else picture.time)
                begin_s = time_s if begin_s is None else begin_s
                image = _upright(picture, aspect)
                yield Frame(partial(_read, image), count, time_s - begin_s)
                count += 1
    except av.FFmpegError as error:
        kind = PartialFailureError if count else InputError
        raise kind(
            f"{source}: breaks off after {count} frames ({error.strerror}); the file is damaged or incomplete"
        ) from error
    if not count:
        raise InputError(f"{source}: no frame could be decoded; the file is damaged or incomplete")
    if damaged:
        raise PartialFailureError(f"{source}: {damaged} parts beside {count} frames are damaged or incomplete")


def _nominal_fps(stream: Any) -> float:
    """Return the announced rate, for streams that carry no times of their own."""
    return float(stream.average_rate or stream.guessed_rate or 25)


def _read(image: Image.Image, spec: PreprocessSpec) -> Photograph:
    return Photograph(to_pixels(image, spec), image.size, None, None)


def _upright(picture: Any, aspect: float) -> Image.Image:
    """Return an RGB image as it is displayed.

    It is stretched where pixels are ``aspect`` times as wide as high, and turned as the container's display matrix asks
    (counter-clockwise degrees).
    """
    image: Image.Image = picture.to_image()
    width, height = image.size
    if aspect != 1:
        size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
        image = image.resize(size, Image.Resampling.BICUBIC)
    turn = round(getattr(picture, "rotation", 0)) % 360
    return image.transpose(_UPRIGHT[turn]) if turn in _UPRIGHT else image


def _import_av() -> Any:
    try:
        import av  # only streams of video need FFmpeg
    except ImportError as error:
        raise MissingToolError("video needs PyAV: pip install 'pigeon-edge[streams]'") from error
    return av
