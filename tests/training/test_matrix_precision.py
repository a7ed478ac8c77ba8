from __future__ import annotations

import pytest
import torch

from pigeon_training.matrix_precision import matrix_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("instructions", "asked", "expected"),
    [
        ("avx512_bf16", True, torch.bfloat16),
        ("avx512_bf16", False, torch.float32),
        (None, True, torch.float32),
        (None, False, torch.float32),
    ],
)
def test_bfloat16_is_taken_where_the_processor_multiplies_in_it(monkeypatch, instructions, asked, expected):
    monkeypatch.setattr("pigeon_training.matrix_precision.bfloat16_instructions", lambda: instructions)
    assert matrix_precision(CPU, bfloat16=asked) is expected
