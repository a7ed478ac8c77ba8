from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, features
from tests.photographic import photographic

from pigeon_edge.answer.encoding import unit
from pigeon_edge.bundle.format import open_bundle
from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.encoders import Engine, open_encoder
from pigeon_edge.errors import InputError, MissingToolError
from pigeon_edge.images.photograph import decode_pixels, read_gps, read_photograph, read_pixels, read_rgb
from pigeon_edge.images.preprocess import PreprocessSpec, to_pixels
from pigeon_edge.system.known_faults import fault_of

SPEC = PreprocessSpec(16)
GREY, ORANGE = (128, 128, 128), (240, 120, 30)


def _quadrants(size=(80, 48)):
    """Red, green, blue and white quarters: no two orientations look alike."""
    image = Image.new("RGB", size, "white")
    half = (size[0] // 2, size[1] // 2)
    image.paste((250, 10, 10), (0, 0, *half))
    image.paste((10, 250, 10), (half[0], 0, size[0], half[1]))
    image.paste((10, 10, 250), (0, half[1], half[0], size[1]))
    return image


def _noise(size, seed=1):
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def _lab():
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    transform = ImageCms.buildTransform(srgb, lab, "RGB", "LAB")
    return ImageCms.applyTransform(Image.new("RGB", (20, 20), ORANGE), transform)


def _half_transparent(mode):
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 20, 10))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("name", "image", "expected"),
    [
        ("1.png", Image.new("1", (20, 20), 1), (255, 255, 255)),
        ("L.png", Image.new("L", (20, 20), 128), GREY),
        ("LA.png", Image.new("LA", (20, 20), (128, 255)), GREY),
        ("P.png", Image.new("RGB", (20, 20), ORANGE).quantize(4), ORANGE),
        ("P.gif", Image.new("RGB", (20, 20), ORANGE).quantize(4), ORANGE),
        ("RGB.png", Image.new("RGB", (20, 20), ORANGE), ORANGE),
        ("RGB.ppm", Image.new("RGB", (20, 20), ORANGE), ORANGE),
        ("RGBA.png", Image.new("RGBA", (20, 20), (*ORANGE, 255)), ORANGE),
        ("CMYK.jpg", Image.new("CMYK", (20, 20), (0, 128, 224, 16)), (239, 119, 29)),
        ("CMYK.tif", Image.new("CMYK", (20, 20), (0, 128, 224, 16)), (239, 119, 29)),
        ("YCbCr.tif", Image.new("RGB", (20, 20), ORANGE).convert("YCbCr"), ORANGE),
        ("I16.png", Image.fromarray(np.full((20, 20), 0x8080, np.uint16)), GREY),
        ("I16.tif", Image.fromarray(np.full((20, 20), 0x8080, np.uint16)), GREY),
        ("I16B.tif", Image.frombytes("I;16B", (20, 20), b"\x80\x80" * 400), GREY),
        ("I.tif", Image.fromarray(np.full((20, 20), 0x8080, np.int32)), GREY),
        ("I.pgm", Image.fromarray(np.full((20, 20), 0x8080, np.int32)), GREY),
        ("F-of-1.tif", Image.fromarray(np.full((20, 20), 0.5, np.float32)), GREY),
        ("F-of-65535.tif", Image.fromarray(np.full((20, 20), 32896, np.float32)), GREY),
        ("LAB.tif", _lab(), ORANGE),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_mode_comes_out_in_its_colour(tmp_path, name, image, expected):
    if name == "YCbCr.tif" and fault_of("pillow"):
        pytest.skip(f"{fault_of('pillow').sentence}; another test sees what the user is told")
    image.save(tmp_path / name)
    pixels = read_pixels(tmp_path / name, SPEC)
    assert (pixels.shape, pixels.dtype) == ((16, 16, 3), np.uint8)
    np.testing.assert_allclose(pixels, np.broadcast_to(expected, pixels.shape), atol=3)


@pytest.mark.parametrize(("installed", "told"), [
    ("12.3.0", r"pillow 12\.3\.0 reads no uncompressed TIFF in YCbCr, .*: pip install 'pillow>=13'"),
    ("13.0.0", "restore it from a backup"),
])  # fmt: skip
def test_a_tiff_that_pillow_is_known_not_to_read_is_not_called_broken(tmp_path, monkeypatch, installed, told):
    monkeypatch.setattr("pigeon_edge.system.known_faults.version", lambda package: installed)
    Image.new("YCbCr", (200, 200)).save(tmp_path / "scan.tif")
    content = (tmp_path / "scan.tif").read_bytes()
    (tmp_path / "scan.tif").write_bytes(content[: len(content) // 2])  # which no Pillow reads
    with pytest.raises(InputError, match=told):
        read_pixels(tmp_path / "scan.tif", SPEC)


@pytest.mark.parametrize(("mode", "name"), [("RGBA", "a.png"), ("LA", "a.png"), ("RGBA", "a.webp"), ("RGBA", "a.tif")])
def test_transparency_is_laid_over_white(tmp_path, mode, name):
    _half_transparent(mode).save(tmp_path / name)
    pixels = read_pixels(tmp_path / name, SPEC)
    assert pixels[2].max() <= 3  # opaque black above
    assert pixels[13].min() >= 252  # white where nothing is


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_a_transparent_palette_entry_is_white(tmp_path, suffix):
    image = Image.new("P", (20, 20), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / f"p.{suffix}", transparency=1)
    assert read_pixels(tmp_path / f"p.{suffix}", SPEC).min() == 255


def test_not_a_number_in_a_float_image_is_black_and_the_rest_keeps_its_range(tmp_path):
    values = np.full((32, 32), 0.5, np.float32)
    values[:16] = np.nan
    Image.fromarray(values).save(tmp_path / "nan.tif")
    pixels = read_pixels(tmp_path / "nan.tif", SPEC)
    assert (pixels[2].max(), pixels[13, 8, 0]) == (0, 128)


@pytest.mark.parametrize("suffix", ["gif", "tif", "png", "webp"])
def test_the_first_frame_of_several_counts(tmp_path, suffix):
    first, second = Image.new("RGB", (20, 20), (250, 0, 0)), Image.new("RGB", (20, 20), (0, 0, 250))
    first.save(tmp_path / f"two.{suffix}", save_all=True, append_images=[second])
    red, _, blue = read_pixels(tmp_path / f"two.{suffix}", SPEC)[8, 8]
    assert (red > 240, blue < 15) == (True, True)


SIDEWAYS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera that writes this orientation stores an upright scene."""


@pytest.mark.parametrize("orientation", SIDEWAYS)
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_every_orientation_comes_out_upright(tmp_path, suffix, orientation):
    upright, turn = _quadrants(), SIDEWAYS[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = upright if turn is None else upright.transpose(turn)
    stored.save(tmp_path / f"turned.{suffix}", exif=exif)
    found = read_rgb(tmp_path / f"turned.{suffix}")
    assert found.size == upright.size
    assert np.abs(np.asarray(found, int) - np.asarray(upright, int)).mean() < 12
    upright.save(tmp_path / f"upright.{suffix}")
    pixels = [read_pixels(tmp_path / f"{name}.{suffix}", SPEC).astype(int) for name in ("turned", "upright")]
    assert np.abs(pixels[0] - pixels[1]).mean() < 5


@pytest.mark.parametrize(
    "exif",
    [b"", b"Exif\0\0", b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01"],
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_broken_exif_block_still_gives_pixels(tmp_path, exif):
    Image.new("RGB", (20, 20), ORANGE).save(tmp_path / "a.jpg", exif=exif)
    np.testing.assert_allclose(read_pixels(tmp_path / "a.jpg", SPEC)[8, 8], ORANGE, atol=3)
    assert read_gps(tmp_path / "a.jpg") is None


@pytest.mark.parametrize("size", [(1600, 1200), (900, 1600)])
def test_a_reduced_decode_differs_from_the_full_one_by_a_grey_level_on_average(tmp_path, size):
    _noise(size).save(tmp_path / "large.jpg", quality=90)
    spec = PreprocessSpec(64)
    reduced = read_pixels(tmp_path / "large.jpg", spec).astype(int)
    read_rgb(tmp_path / "large.jpg").save(tmp_path / "full.png")
    full = read_pixels(tmp_path / "full.png", spec).astype(int)
    assert 0 < np.abs(reduced - full).mean() < 1
    assert np.abs(reduced - full).max() <= 16


@pytest.mark.parametrize("orientation", SIDEWAYS)
def test_a_scale_that_does_not_divide_the_sides_moves_nothing_whichever_way_up(tmp_path, orientation):
    """At an eighth, 193 and 257 pixels become 25 and 33, of which the last are padding but for an eighth."""
    rows, columns = np.mgrid[:193, :257]
    slope = Image.fromarray(((rows + columns) * (255 / 448)).astype(np.uint8)).convert("RGB")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    slope.save(tmp_path / "large.jpg", quality=95, exif=exif)
    read_rgb(tmp_path / "large.jpg").save(tmp_path / "full.png")
    reduced, full = (read_pixels(tmp_path / name, SPEC).astype(int) for name in ("large.jpg", "full.png"))
    assert np.abs(reduced - full)[1:-1, 1:-1].max() <= 1


@pytest.mark.parametrize("short_px", [289, 581, 1157])
def test_a_reduced_decode_keeps_the_embedding(tmp_path, short_px):
    """At sides that leave the least margin at each scale; of photographs, the embedding of the worst is compared."""
    spec, rng = PreprocessSpec(96), np.random.default_rng(short_px)
    pixels = [_reduced_and_full(tmp_path, photographic((short_px * 4 // 3, short_px), rng), spec) for _ in range(8)]
    encoder = open_encoder(open_bundle(TOY_PLANET), Engine.ONNXRUNTIME)
    reduced, full = (unit(encoder.encode(np.stack(side)).embedding) for side in zip(*pixels, strict=True))
    assert (reduced * full).sum(axis=1).min() >= 0.995
    assert (reduced * np.roll(full, 1, axis=0)).sum(axis=1).max() < 0.995  # of another photograph


def _reduced_and_full(folder, image, spec):
    image.save(folder / "large.jpg", quality=90)
    reduced, full = read_pixels(folder / "large.jpg", spec), to_pixels(read_rgb(folder / "large.jpg"), spec)
    assert (reduced != full).any()
    return reduced, full


def test_heic_is_read_upright_with_its_gps(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = _exif((("N", (47, 30, 0)), ("E", (8, 15, 0))))
    pillow_heif.from_pillow(_quadrants((64, 48))).save(tmp_path / "a.HEIC", quality=90, exif=exif.tobytes())
    assert np.abs(np.asarray(read_rgb(tmp_path / "a.HEIC"), int) - np.asarray(_quadrants((64, 48)), int)).mean() < 12
    assert read_gps(tmp_path / "a.HEIC") == pytest.approx((47.5, 8.25))


def test_heic_is_decoded_itself_and_not_its_thumbnail(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    picture = _noise((1024, 768))
    pillow_heif.from_pillow(picture).save(tmp_path / "a.heic", quality=95, thumbnails=[64])
    read_rgb(tmp_path / "a.heic").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.heic", SPEC), read_pixels(tmp_path / "a.png", SPEC))


@pytest.mark.parametrize("name", ["renamed.jpg", "renamed"])
def test_a_photograph_is_known_by_its_content(tmp_path, name):
    """In a process of its own, for a reader once loaded stays."""
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(_quadrants((64, 48))).save(tmp_path / "a.heic", quality=90)
    (tmp_path / "a.heic").rename(tmp_path / name)
    code = f"from pigeon_edge.images.photograph import read_rgb; print(read_rgb({str(tmp_path / name)!r}).size)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout == "(64, 48)\n"


def test_a_jpeg_that_is_called_heic_needs_no_reader_of_heic(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    Image.new("RGB", (20, 20), ORANGE).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.heic")
    np.testing.assert_allclose(read_pixels(tmp_path / "a.heic", SPEC)[8, 8], ORANGE, atol=3)


@pytest.mark.parametrize(
    ("head", "advice"),
    [
        (b"\xff\x0a\xfa\x7f", "pip install pillow-jxl-plugin"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "pip install pillow-jxl-plugin"),
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf", "pip install -U pillow"),
    ],
    ids=["JPEG XL codestream", "JPEG XL container", "AVIF"],
)
def test_a_kind_without_its_reader_says_what_to_install(tmp_path, monkeypatch, head, advice):
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    monkeypatch.setattr("pigeon_edge.images.kinds.features.check", lambda feature: False)
    (tmp_path / "a.jpg").write_bytes(head)
    with pytest.raises(MissingToolError, match=advice):
        read_pixels(tmp_path / "a.jpg", SPEC)


def test_avif_is_read(tmp_path):
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    Image.new("RGB", (40, 40), ORANGE).save(tmp_path / "a.avif")
    (tmp_path / "a.avif").rename(tmp_path / "a.jpg")
    np.testing.assert_allclose(read_pixels(tmp_path / "a.jpg", SPEC)[8, 8], ORANGE, atol=6)


def test_of_a_tiff_with_a_thumbnail_first_the_picture_is_read(tmp_path):
    thumbnail, picture = Image.new("RGB", (16, 12), "white"), Image.new("RGB", (64, 48), ORANGE)
    thumbnail.save(tmp_path / "a.tif", save_all=True, append_images=[picture, Image.new("RGB", (32, 24), "black")])
    read = read_photograph(tmp_path / "a.tif", SPEC)
    assert read.pixels[8, 8].tolist() == list(ORANGE)
    assert (read.size, read.note) == ((64, 48), "page 2 of 3 is read, the largest")
    assert read_rgb(tmp_path / "a.tif").size == (64, 48)
    np.testing.assert_array_equal(
        decode_pixels((tmp_path / "a.tif").read_bytes(), tmp_path / "a.tif", SPEC), read.pixels
    )
    with pytest.raises(InputError, match="64 x 48 pixels is over the limit"):
        read_photograph(tmp_path / "a.tif", SPEC, max_pixels=2000)


def test_the_first_of_equal_pages_is_read_without_a_word(tmp_path):
    first, second = Image.new("RGB", (64, 48), ORANGE), Image.new("RGB", (64, 48), "black")
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    read = read_photograph(tmp_path / "a.tif", SPEC)
    assert (read.pixels[8, 8].tolist(), read.note) == (list(ORANGE), None)


@pytest.mark.parametrize(("orientation", "size"), [(1, (64, 48)), (3, (64, 48)), (6, (48, 64)), (8, (48, 64))])
def test_the_size_is_as_it_is_seen(tmp_path, orientation, size):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=exif)
    assert read_photograph(tmp_path / "a.jpg", SPEC).size == size


def test_heic_without_its_reader_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(MissingToolError, match=r"pip install 'pigeon-edge\[heic\]'"):
        read_pixels(tmp_path / "a.heic", SPEC)


def _exif(angles):
    exif = Image.Exif()
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    for (reference, parts), first_tag in zip(angles, (1, 3), strict=True):
        if reference is not None:
            gps[first_tag] = reference
        if parts is not None:
            gps[first_tag + 1] = tuple(map(float, parts))
    return exif


def _gps_of(tmp_path, *angles, suffix="jpg"):
    Image.new("RGB", (20, 20), ORANGE).save(tmp_path / f"gps.{suffix}", exif=_exif(angles).tobytes())
    return read_gps(tmp_path / f"gps.{suffix}")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize(("south", "west"), [("N", "E"), ("N", "W"), ("S", "E"), ("S", "W")])
def test_gps_of_all_four_quarters_of_the_earth(tmp_path, south, west, suffix):
    found = _gps_of(tmp_path, (south, (12, 30, 36)), (west, (100, 6, 0)), suffix=suffix)
    assert found == pytest.approx((-12.51 if south == "S" else 12.51, -100.1 if west == "W" else 100.1))


def test_gps_references_in_lower_case_and_padded_are_understood(tmp_path):
    assert _gps_of(tmp_path, ("s ", (12, 0, 0)), ("west", (100, 0, 0))) == (-12, -100)


def test_a_photograph_without_exif_has_no_gps(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    assert read_gps(tmp_path / "a.png") is None


def _png_header(width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _truncated_jpeg():
    buffer = io.BytesIO()
    _noise((200, 200)).save(buffer, "JPEG")
    return buffer.getvalue()[:900]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.jpg", b"Dear diary", r"expected an image, found no known image format; check what the file is$"),
        ("empty.jpg", b"", r"found no known image format"),
        ("cut.jpg", _truncated_jpeg(), r"cannot be decoded \(image file is truncated .*\); restore it from a backup$"),
        ("bomb.png", _png_header(30_000, 30_000), r"900000000 pixels\) exceeds limit .*--max-pixels"),
        ("lying.png", _png_header(300, 300), r"cannot be decoded"),
    ],
)
@pytest.mark.parametrize("read", [lambda path: read_pixels(path, SPEC), read_rgb], ids=["pixels", "rgb"])
def test_a_file_that_cannot_be_decoded_is_one_line_of_why(tmp_path, name, content, words, read):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as raised:
        read(tmp_path / name)
    assert str(raised.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(raised.value)


def test_a_missing_file_and_a_folder_say_so(tmp_path):
    with pytest.raises(InputError, match=r"gone\.jpg: no such file$"):
        read_pixels(tmp_path / "gone.jpg", SPEC)
    with pytest.raises(InputError, match=r"directory"):
        read_pixels(tmp_path, SPEC)


def test_more_pixels_than_allowed_are_refused_and_as_many_are_not(tmp_path):
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    assert read_pixels(tmp_path / "a.png", SPEC, max_pixels=2000).shape == (16, 16, 3)
    with pytest.raises(InputError, match=r"50 x 40 pixels is over the limit of 0.001999 megapixels; .*--max-pixels"):
        read_pixels(tmp_path / "a.png", SPEC, max_pixels=1999)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "gif", "webp", "bmp", "avif", "jp2"])
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_damaged_file_gives_pixels_or_an_input_error_and_nothing_else(tmp_path, suffix):
    path, rng = tmp_path / f"a.{suffix}", np.random.default_rng(6)
    _noise((30, 20)).save(path)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    outcomes = {"pixels": 0, "error": 0}
    for _ in range(40):
        damaged = whole.copy()
        damaged[rng.integers(0, min(len(whole), 400), 4)] ^= np.uint8(1) << rng.integers(0, 8, 4, dtype=np.uint8)
        path.write_bytes(damaged[: rng.integers(1, len(whole))].tobytes() if rng.random() < 0.3 else damaged.tobytes())
        try:
            outcomes["pixels"] += read_pixels(path, SPEC, 1_000_000).shape == (16, 16, 3)
        except InputError:
            outcomes["error"] += 1
    assert sum(outcomes.values()) == 40
    assert outcomes["error"] > 0
