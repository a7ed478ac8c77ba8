"""The torch reference and the table of tolerances."""

from __future__ import annotations

import numpy as np
import pytest

from pigeon_calibration.gate.parity import compare
from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.half.tolerances import TOLERANCES
from pigeon_export.parity.torch_reference import TorchEncoder


def test_reference_without_heads_has_no_cells(make_tower, make_pixels):
    encoding = TorchEncoder(make_tower(), PreprocessSpec(32), None).encode(make_pixels(2))
    assert encoding.embedding.shape == (2, 48)
    assert encoding.cell_logits.shape == (2, 0)
    assert compare(encoding, encoding).top1_agreement is None


def test_reference_refuses_other_sizes(make_tower, make_pixels):
    with pytest.raises(InputError, match=r"expected pixels \(N, 32, 32, 3\), found \(1, 40, 40, 3\)"):
        TorchEncoder(make_tower(), PreprocessSpec(32), None).encode(make_pixels(1, 40))


def test_tolerances_grow_looser_with_less_precision():
    cosines = [TOLERANCES[precision].cosine_p01 for precision in ("fp32", "fp16", "int8")]
    agreements = [TOLERANCES[precision].top1_agreement for precision in ("fp32", "fp16", "int8")]
    assert cosines == sorted(cosines, reverse=True)
    assert agreements == sorted(agreements, reverse=True)


def test_equal_encodings_pass_and_turned_ones_fail_every_tolerance():
    rng = np.random.default_rng(0)
    embedding, logits = (rng.normal(size=(50, width)).astype(np.float32) for width in (16, 6))
    encoding, turned = Encoding(embedding, logits), Encoding(-embedding, -logits)
    for tolerance in TOLERANCES.values():
        assert tolerance.misses(compare(encoding, encoding)) == []
        assert len(tolerance.misses(compare(encoding, turned))) == 2 + (tolerance.retrieval_recall > 0)
