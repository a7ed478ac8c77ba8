"""The position that a photograph carries: EXIF first, XMP else."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from PIL import ExifTags, Image

from pigeon_edge.geodesy import LatLng
from pigeon_edge.images.opening import DECODE_ERRORS

_EXIF_IN_XMP = "{http://ns.adobe.com/exif/1.0/}"
_XMP_ANGLE = re.compile(r"^\s*([+-]?[\d.]+)(?:,([\d.]+))?(?:,([\d.]+))?\s*([NSEWnsew])?\s*$")
"""XMP Part 2, GPSCoordinate: "DDD,MM.mmk" or "DDD,MM,SSk", k being N, S, E or W. Decimal degrees are met as well."""

_LARGEST_XMP = 1 << 20


class UnclearPositionError(ValueError):
    """A position stands in a file, but its sign or value cannot be known; the text says why."""


@dataclass(frozen=True)
class Position:
    """What a photograph says of where it was taken: coordinates, or the ``problem`` that keeps them from being known.

    Exactly one of the two is None. ``source`` is "exif" or "xmp".
    """

    source: str
    lat_lng: LatLng | None
    problem: str | None


def position_of(image: Image.Image) -> Position | None:
    """Return the position of an open image, None where it carries none.

    0,0 is what cameras write that have no fix: it counts as none. A position whose sign or value cannot be known is
    not none: its ``problem`` says so.
    """
    return _position("exif", *_exif_angles(image)) or _position("xmp", *_xmp_angles(image))


def exif_degrees(parts: Any, reference: Any, letters: str) -> float:
    """Return signed degrees of an EXIF angle (EXIF 2.32, tags 0x0002 and 0x0004) and its reference.

    parts: degrees, minutes and seconds, or the first one or two of them; those that are 0/0 count as unknown, hence as
    nothing. letters: "NS" or "EW". Raises UnclearPositionError where the sign or the value cannot be known.
    """
    numbers = [float(part) for part in (parts if isinstance(parts, tuple) else (parts,))]
    if not 1 <= len(numbers) <= 3 or not math.isfinite(numbers[0]):
        raise UnclearPositionError(f"degrees are {_shown(numbers)}")
    known = [number if math.isfinite(number) else 0.0 for number in numbers]
    size = sum(abs(number) / 60**power for power, number in enumerate(known))
    return float(size) * _sign(any(number < 0 for number in known), _letter(reference), letters)


def xmp_degrees(text: str, letters: str) -> float:
    """Return signed degrees of an XMP coordinate. Raises UnclearPositionError as ``exif_degrees`` does."""
    found = _XMP_ANGLE.match(text)
    if not found:
        raise UnclearPositionError(f"found {text[:40]!r}")
    *numbers, letter = found.groups()
    parts = tuple(float(number) for number in numbers if number)
    return exif_degrees(parts, letter, letters)


def _position(source: str, lat: Any, lng: Any) -> Position | None:
    """Return a position of angles, each of which is a function's arguments, or None where it is not there."""
    if lat is None and lng is None:
        return None
    try:
        lat_lng = LatLng(_read(lat, "latitude", 90), _read(lng, "longitude", 180))
    except UnclearPositionError as error:
        return Position(source, None, f"{source.upper()}: {error}")
    return None if lat_lng == (0.0, 0.0) else Position(source, lat_lng, None)


def _read(angle: Any, name: str, limit: float) -> float:
    if angle is None:
        raise UnclearPositionError(f"no {name}")
    try:
        read, arguments = angle
        degrees: float = read(*arguments)
    except UnclearPositionError as error:
        raise UnclearPositionError(f"{name}: {error}") from error
    except (*DECODE_ERRORS, ZeroDivisionError) as error:
        raise UnclearPositionError(f"{name} is unreadable") from error
    if abs(degrees) > limit:
        raise UnclearPositionError(f"{name} {degrees:g} is beyond {limit:g} degrees")
    return degrees


def _sign(negative: bool, letter: str, letters: str) -> int:
    """Return the sign of an angle whose number or letter, or both, tell it."""
    if letter and letter not in letters:
        raise UnclearPositionError(f"reference is {letter!r}, expected {letters[0]} or {letters[1]}")
    if negative and letter == letters[0]:
        raise UnclearPositionError(f"a negative number with reference {letter}")
    if not negative and not letter:
        raise UnclearPositionError(f"no {letters[0]} or {letters[1]}, so that its sign cannot be known")
    return -1 if negative or letter == letters[1] else 1


def _letter(reference: Any) -> str:
    text = reference.decode("latin-1") if isinstance(reference, bytes) else str(reference or "")
    return text.strip("\0 ").upper()[:1]


def _shown(numbers: list[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers) or "empty"


def _exif_angles(image: Image.Image) -> tuple[Any, Any]:
    try:
        gps = image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
    except (*DECODE_ERRORS, AttributeError):  # a broken block holds nothing that could be written over
        return None, None
    pairs = ((ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "NS"),
             (ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "EW"))  # fmt: skip
    lat, lng = (
        (exif_degrees, (gps[angle], gps.get(reference), letters)) if angle in gps else None
        for angle, reference, letters in pairs
    )
    return lat, lng


def _xmp_angles(image: Image.Image) -> tuple[Any, Any]:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    texts = _xmp_texts((packet.encode() if isinstance(packet, str) else bytes(packet)).strip(b"\0 \r\n"))
    lat, lng = (
        (xmp_degrees, (texts[name], letters)) if name in texts else None
        for name, letters in (("GPSLatitude", "NS"), ("GPSLongitude", "EW"))
    )
    return lat, lng


def _xmp_texts(packet: bytes) -> dict[str, str]:
    """Return the EXIF properties of an XMP packet by name: attributes or elements. None of a broken packet.

    A document type is refused: XMP has none, and it is how entities grow beyond all memory.
    """
    if not packet or len(packet) > _LARGEST_XMP or b"<!DOCTYPE" in packet or b"\0" in packet:
        return {}
    try:
        root = ET.fromstring(packet)  # noqa: S314, see above
    except ET.ParseError:
        return {}
    texts: dict[str, str] = {}
    for element in root.iter():
        texts |= {name: value for name, value in element.items() if name.startswith(_EXIF_IN_XMP)}
        if element.tag.startswith(_EXIF_IN_XMP) and element.text:
            texts[element.tag] = element.text
    return {name.removeprefix(_EXIF_IN_XMP): value for name, value in texts.items()}
