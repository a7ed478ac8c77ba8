"""Tar and zip files of photographs, for tests."""

from __future__ import annotations

import io
import tarfile
import zipfile

import numpy as np
from PIL import Image


def jpeg(number):
    """Return a photograph of its own noise: a few hundred bytes that no other one has."""
    pixels = np.random.default_rng(number).integers(0, 255, (24, 32, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def write_tar(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_zip(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def write_packed_zip(path, members):
    return write_zip(path, members, zipfile.ZIP_DEFLATED)
