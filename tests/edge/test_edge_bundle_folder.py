from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.edge.talk import one_line

from pigeon_edge.bundle.format import MANIFEST, REQUIRED_FILES, SCHEMA_NAME, SCHEMA_VERSION, open_bundle, seal, verify
from pigeon_edge.bundle.parts import open_cells, open_confidence, open_gallery
from pigeon_edge.errors import BundleError
from pigeon_edge.files import sha256_of


def _canonical(document):
    return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def _rewrite(bundle, **changes):
    """Change keys of the manifest and sign it again, as one who means harm would."""
    document = {**json.loads((bundle.path / MANIFEST).read_bytes()), **changes}
    document.pop("digest")
    digest = hashlib.sha256(_canonical(document)).hexdigest()
    (bundle.path / MANIFEST).write_bytes(_canonical({**document, "digest": digest}))


def _flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_a_good_bundle_opens_and_verifies(tiny):
    bundle = open_bundle(str(tiny.path))
    verify(bundle)
    assert bundle == tiny
    assert set(REQUIRED_FILES) == set(bundle.files)
    assert bundle.label == f"tiny@{bundle.digest[:12]}"
    assert (bundle.description.cells, bundle.description.photographs) == (3, 6)
    assert (SCHEMA_NAME, SCHEMA_VERSION) == ("pigeon-edge/bundle", 1)


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_a_flipped_bit_in_a_file_is_found(own, name):
    path = own.path / name
    original = path.read_bytes()
    bits = np.random.default_rng(5).choice(8 * len(original), min(25, 8 * len(original)), replace=False)
    for bit in [0, 8 * len(original) - 1, *bits.tolist()] if original else []:
        _flip(path, bit)
        with pytest.raises(BundleError, match=r"checksum differs from the manifest's; copy the bundle again"):
            verify(open_bundle(own.path))
        path.write_bytes(original)
    verify(open_bundle(own.path))


def test_any_flipped_bit_of_the_manifest_is_found(own):
    path = own.path / MANIFEST
    original = path.read_bytes()
    for byte in range(0, len(original), 5):
        _flip(path, 8 * byte + byte % 8)
        with pytest.raises(BundleError):
            open_bundle(own.path)
        path.write_bytes(original)
    open_bundle(own.path)


@pytest.mark.parametrize(
    "change", [lambda text: text + b" ", lambda text: text.replace(b"\n", b""), lambda text: b"\xef\xbb\xbf" + text]
)
def test_a_manifest_spelt_otherwise_is_refused(own, change):
    (own.path / MANIFEST).write_bytes(change((own.path / MANIFEST).read_bytes()))
    with pytest.raises(BundleError, match=r"altered since the bundle was made|expected JSON"):
        open_bundle(own.path)


def test_a_truncated_a_missing_and_a_stray_file_are_told_apart(own):
    lat_lng = own.path / "gallery" / "lat_lng.npy"
    content = lat_lng.read_bytes()
    lat_lng.write_bytes(content[:-1])
    with pytest.raises(BundleError, match=rf"lat_lng.npy: expected {len(content)} bytes, found {len(content) - 1}"):
        open_bundle(own.path)
    lat_lng.unlink()
    with pytest.raises(BundleError, match=r"lat_lng.npy: listed in the manifest but missing; copy the bundle again"):
        open_bundle(own.path)
    lat_lng.mkdir()
    with pytest.raises(BundleError, match=r"lat_lng.npy: listed in the manifest but missing"):
        open_bundle(own.path)
    lat_lng.rmdir()
    lat_lng.write_bytes(content)
    (own.path / "gallery" / "engine.plan").touch()
    with pytest.raises(BundleError, match=r"not in the manifest: gallery/engine.plan; remove"):
        verify(open_bundle(own.path))


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("pigeon-edge/bundle@2", r"a bundle of version 2, this program reads up to 1; upgrade pigeon-edge"),
        ("pigeon-edge/report@1", r"expected schema pigeon-edge/bundle@1, found pigeon-edge/report@1"),
        ("pigeon-edge/bundle", r"expected schema pigeon-edge/bundle@1, found pigeon-edge/bundle$"),
        ("pigeon-edge/bundle@²", r"expected schema"),
        (None, r"expected schema pigeon-edge/bundle@1, found None"),
    ],
)
def test_another_schema_is_named(own, schema, words):
    _rewrite(own, schema=schema)
    with pytest.raises(BundleError, match=words):
        open_bundle(own.path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not json", r"manifest.json: expected JSON, .*; copy the bundle again"),
        (b"\xff\xfe", r"expected JSON"),
        (b"", r"expected JSON"),
        (b"[" * 100_000, r"expected JSON"),
        (b"[1, 2]", r"expected a JSON object"),
        (b"{}", r"expected schema pigeon-edge/bundle@1, found None"),
    ],
    ids=["text", "no UTF-8", "empty", "deep", "list", "bare"],
)
def test_a_manifest_that_is_none_is_refused(own, content, words):
    (own.path / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=words):
        open_bundle(own.path)


def test_a_file_a_folder_without_manifest_and_nothing_say_what_they_are(tmp_path):
    (tmp_path / "a.pigeon").touch()
    with pytest.raises(BundleError, match=r"expected a bundle folder, found a file; unpack it first \(tar -xf\)"):
        open_bundle(tmp_path / "a.pigeon")
    for missing in (tmp_path, tmp_path / "none"):
        with pytest.raises(BundleError, match=r"expected a bundle, found no manifest.json; name a .pigeon folder"):
            open_bundle(missing)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "cells/../../secret", "cells\\..\\secret", "nul\0"])
def test_a_file_name_that_leaves_the_bundle_is_refused(own, name):
    _rewrite(own, files={**json.loads((own.path / MANIFEST).read_bytes())["files"], name: {"size": 0, "sha256": ""}})
    with pytest.raises(BundleError, match=r"malformed .*leaves the bundle"):
        open_bundle(own.path)


def test_a_manifest_that_lists_no_gallery_says_so(own):
    files = json.loads((own.path / MANIFEST).read_bytes())["files"]
    _rewrite(own, files={name: entry for name, entry in files.items() if name != "gallery/index.faiss"})
    with pytest.raises(BundleError, match=r"the manifest lists no gallery/index.faiss; build or copy"):
        open_bundle(own.path)


def test_the_twin_that_a_bundle_does_not_have_is_named(tiny):
    with pytest.raises(BundleError, match=r"the manifest lists no encoder.onnx"):
        tiny.file("encoder.onnx")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(["encoder", "counts", "refinement", "files", "schema"]), value=json_values)
def test_whatever_a_signed_manifest_says_only_a_bundle_error_comes_of_it(own, key, value):
    original = (own.path / MANIFEST).read_bytes()
    try:
        _rewrite(own, **{key: value})
        with pytest.raises(BundleError):
            open_bundle(own.path)
    finally:
        (own.path / MANIFEST).write_bytes(original)


def test_escapes_that_are_no_characters_are_altered_or_kept_but_never_a_crash(own):
    text = (own.path / MANIFEST).read_bytes().replace(b'"tiny"', b'"\\ud800"')
    (own.path / MANIFEST).write_bytes(text)
    with pytest.raises(BundleError, match=r"altered since"):
        open_bundle(own.path)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("cells/centroid_lat_lng.npy", open_cells),
        ("gallery/cell_offsets.npy", open_gallery),
        ("gallery/lat_lng.npy", open_gallery),
    ],
)
def test_an_array_file_with_objects_or_of_another_kind_is_refused(own, name, read):
    objects, archive = io.BytesIO(), io.BytesIO()
    np.save(objects, np.array([{"a": 1}], object), allow_pickle=True)
    np.savez(archive, a=np.zeros(3))
    for content in (objects.getvalue(), archive.getvalue(), pickle.dumps([1]), b"", b"\x93NUMPY\x01\x00v\x00{'descr"):
        (own.path / name).write_bytes(content)
        seal(own.path, own.description)
        with pytest.raises(BundleError, match=rf"{name}: expected an array of numbers, .*; copy the bundle again"):
            read(open_bundle(own.path))


@pytest.mark.parametrize("content", [b"", b"[", b"5", b"[1]", b'[{"country": "Rubra"}]', b"[" * 100_000])
def test_malformed_places_are_a_bundle_error(own, spoiled, content):
    (own.path / "cells/places.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"places.json: malformed"):
        open_cells(spoiled())


@pytest.mark.parametrize("content", [b"", b"[]", b'{"temperature": 1}', b"\xff"])
def test_malformed_confidence_is_a_bundle_error(own, spoiled, content):
    (own.path / "confidence.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"confidence.json: expected confidence settings"):
        open_confidence(spoiled())


@pytest.mark.parametrize(
    "centroids", [np.zeros((2, 2)), np.zeros(3), np.array([["a", "b"]] * 3), np.zeros((3, 2), int)]
)
def test_centroids_that_do_not_fit_the_manifest_are_a_bundle_error(own, spoiled, centroids):
    np.save(own.path / "cells/centroid_lat_lng.npy", centroids)
    with pytest.raises(BundleError, match=r"expected 3 cells, found .* centroids of shape"):
        open_cells(spoiled())


def test_sealing_lists_hidden_and_nested_files_and_not_the_manifest(own, tmp_path):
    shutil.copytree(own.path, tmp_path / "again")
    (tmp_path / "again" / "cells" / ".note").write_text("n")
    seal(tmp_path / "again", own.description)
    sealed = open_bundle(tmp_path / "again")
    assert set(sealed.files) - set(own.files) == {"cells/.note"}
    assert sealed.files["cells/.note"] == (1, hashlib.sha256(b"n").hexdigest())
    assert sealed.digest != own.digest


@pytest.mark.parametrize("name", ["encoder.int8.onnx", "gallery/index.faiss", "cells/places.json", "confidence.json"])
def test_no_byte_may_differ_in_what_is_read(own, name):
    path = own.path / name
    content = path.read_bytes()
    for place in {0, len(content) // 2, len(content) - 1}:
        spoiled = bytearray(content)
        spoiled[place] ^= 1
        path.write_bytes(spoiled)
        with pytest.raises(BundleError, match=rf"{name}: checksum differs from the manifest's; copy the bundle again"):
            own.file(name)
    path.write_bytes(content)
    assert own.file(name) == path


def test_a_file_is_read_for_its_checksum_once(own, monkeypatch):
    read = []
    monkeypatch.setattr("pigeon_edge.bundle.verified.sha256_of", lambda path: read.append(path) or sha256_of(path))
    for _ in range(3):
        open_bundle(own.path).file("gallery/index.faiss")
    assert read == [own.path / "gallery/index.faiss"]
    os.utime(own.path / "gallery/index.faiss")
    own.file("gallery/index.faiss")
    assert len(read) == 2


def test_where_nothing_can_be_remembered_a_file_is_verified_every_time(own, monkeypatch):
    (own.path.parent / "file").touch()
    monkeypatch.setenv("PIGEON_EDGE_CACHE", str(own.path.parent / "file"))
    read = []
    monkeypatch.setattr("pigeon_edge.bundle.verified.sha256_of", lambda path: read.append(path) or sha256_of(path))
    for _ in range(2):
        own.file("confidence.json")
    assert len(read) == 2


def test_a_changed_byte_is_one_line_and_exit_5(own, pigeon, photographs):
    path = own.path / "gallery/index.faiss"
    spoiled = bytearray(path.read_bytes())
    spoiled[4] ^= 0x55
    path.write_bytes(spoiled)
    found = pigeon("locate", photographs, "--bundle", own.path)
    assert (found.returncode, found.stdout) == (5, "")
    assert one_line(found.stderr).endswith("index.faiss: checksum differs from the manifest's; copy the bundle again")
