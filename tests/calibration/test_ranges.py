"""From maxima to scales."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeon_calibration.ranges import scales_of_maxima
from pigeon_edge.errors import InputError


@given(st.floats(1e-3, 1e6))
def test_largest_value_becomes_127(largest):
    scale = scales_of_maxima({"x": largest})["x"]
    assert round(largest / scale) == 127


def test_tensor_of_zeros_has_a_positive_scale_even_in_half_precision():
    assert np.float16(scales_of_maxima({"x": 0.0})["x"]) > 0


@pytest.mark.parametrize("largest", [math.inf, math.nan])
def test_maximum_that_is_no_number_is_refused(largest):
    with pytest.raises(InputError, match=r"expected finite activations, found \w+ in layers.0.norm1"):
        scales_of_maxima({"layers.0.norm1": largest})
