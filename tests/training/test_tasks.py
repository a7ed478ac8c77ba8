"""The targets of the tasks: columns, scale, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.manifest import read_manifest
from pigeon_training.data.geography.climate import CLIMATES
from pigeon_training.data.task_columns import read_task_targets
from pigeon_training.data.tasks import RegressionScale, TaskTargets, fit_scale

VALUES = np.array(
    [[120.0, 3000, 11.5, 18, 60, 40], [-400.0, 0, -12, 45, 20, 15], [2300.0, 12, 27, 3, 210, 150]]
)  # fmt: skip

HEADER = "path,lat,lng,month,elevation_m,population,temperature_c,climate\n"


def test_scale_is_that_of_the_formula():
    scale = fit_scale(VALUES[[0, 2]], 408.0)
    logs = np.log(VALUES[[0, 2]] + [408, 1, 0, 1, 1, 1])
    logs[:, 2] = VALUES[[0, 2], 2]
    np.testing.assert_allclose(scale.mean, logs.mean(axis=0))
    np.testing.assert_allclose(scale.deviation, logs.std(axis=0))
    np.testing.assert_allclose(scale.standard(VALUES[[0, 2]]).mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scale.standard(VALUES[[0, 2]]).std(axis=0), 1)


PLAUSIBLE = ((-400, 8800), (0, 90000), (-55, 35), (0, 65), (0, 900), (0, 900))


@given(st.tuples(*(st.floats(*limits) for limits in PLAUSIBLE)))
def test_units_undo_the_scale(values):
    scale = fit_scale(VALUES, 416.0)
    np.testing.assert_allclose(scale.units(scale.standard(np.array([values]))), [values], rtol=1e-9, atol=1e-6)


def test_more_is_more_on_the_scale():
    scale = fit_scale(VALUES, 408.0)
    assert (scale.standard(VALUES + 1) > scale.standard(VALUES)).all()


def test_unknown_values_stay_unknown_and_do_not_move_the_scale():
    gaps = np.vstack([VALUES, np.full((1, 6), np.nan)])
    assert fit_scale(gaps, 408.0) == fit_scale(VALUES, 408.0)
    assert np.isnan(fit_scale(gaps, 408.0).standard(gaps)[3]).all()


def test_target_that_never_varies_is_of_deviation_1():
    scale = fit_scale(np.full((3, 6), 5.0), 408.0)
    assert scale.deviation == (1.0,) * 6
    np.testing.assert_allclose(scale.units(scale.standard(np.full((3, 6), 5.0))), 5.0)


def test_target_that_nobody_knows_has_no_scale_and_no_units():
    gaps = VALUES.copy()
    gaps[:, [1, 3]] = np.nan
    scale = fit_scale(gaps, 408.0)
    assert scale.trained == ("elevation_m", "temperature_c", "precipitation_mm", "precipitation_range_mm")
    assert (scale.mean[1], scale.deviation[3]) == (None, None)
    assert np.isnan(scale.standard(VALUES)[:, 1]).all()
    assert np.isnan(scale.units(np.zeros((2, 6)))).all(axis=0).tolist() == [False, True, False, True, False, False]


def test_completed_scale_gains_what_it_lacked_and_keeps_the_rest():
    gaps = VALUES.copy()
    gaps[:, 1] = np.nan
    completed = fit_scale(gaps, 416.0).completed(VALUES * 2)
    assert completed.mean[1] == fit_scale(VALUES * 2, 416.0).mean[1]
    assert completed.mean[2] == fit_scale(VALUES, 416.0).mean[2]
    assert completed.elevation_offset_m == 416.0


def test_offsets_are_those_of_the_logarithms():
    scale = fit_scale(VALUES, 408.0)
    assert [scale.offset(name) for name in ("elevation_m", "population", "temperature_c")] == [408.0, 1.0, None]


@pytest.mark.parametrize("deviation", [0.0, -1.0, None])
def test_deviation_that_cannot_be_meant_is_refused(deviation):
    with pytest.raises(UsageError, match="positive deviations"):
        RegressionScale(408.0, (1.0,) * 6, (*(1.0,) * 5, deviation))


def test_scale_of_another_number_of_targets_is_refused():
    with pytest.raises(Exception, match="expected 6 means"):
        RegressionScale(408.0, (1.0,), (1.0,))


def test_columns_of_a_manifest_become_targets(tmp_path):
    manifest = tmp_path / "photos.csv"
    manifest.write_text(HEADER + "a.jpg,1,2,12,45.5,900,-3,Cfb\nb.jpg,3,4,,,,,\n", encoding="utf-8")
    targets = read_task_targets(manifest, read_manifest(manifest)[::-1])
    assert isinstance(targets, TaskTargets)
    np.testing.assert_array_equal(targets.regression[1], [45.5, 900, -3, np.nan, np.nan, np.nan])
    assert np.isnan(targets.regression[0]).all()
    assert targets.month.tolist() == [-1, 11]
    assert targets.climate.tolist() == [-1, CLIMATES.index("Cfb")]
    assert targets.take(np.array([1])).month.tolist() == [11]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.jpg,1,2,,high,,,\n", "a.jpg: expected a number in elevation_m, found 'high'"),
        ("a.jpg,1,2,,,,,wet\n", "found 'wet'"),
    ],
)
def test_values_that_cannot_be_meant_are_named(tmp_path, row, message):
    manifest = tmp_path / "photos.csv"
    manifest.write_text(HEADER + row, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_task_targets(manifest, read_manifest(manifest))
