"""The report of predictions: countries, groups, examples, tasks; what is absent is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from pigeon_training.data.geography.boundaries import Boundaries
from pigeon_training.data.geography.region_names import RegionName
from pigeon_training.data.tasks import TaskTargets
from pigeon_training.study.evaluation.breakdown import by_country, by_settlement
from pigeon_training.study.evaluation.country import judged_by
from pigeon_training.study.evaluation.evaluation import Evaluation
from pigeon_training.study.evaluation.examples import confidently_wrong, most_uncertain, worst
from pigeon_training.study.evaluation.predicted import Predicted
from pigeon_training.study.evaluation.predictions import Predictions, joined
from pigeon_training.study.evaluation.report import report
from pigeon_training.study.evaluation.table import lines_of
from pigeon_training.study.evaluation.tasks import ClassMetric, RegressionMetric, TaskAnswers, task_metrics

ONE_DEGREE_KM = 111.195


@pytest.fixture
def predictions():
    """Return six photographs on the equator, answered 0, 1, 2, 4, 8 and 16 degrees too far east."""
    truth = np.array([[0.0, lng] for lng in (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)])
    off = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 16.0])
    return Predictions(
        lat_lng=truth + np.column_stack([np.zeros(6), off]),
        truth_lat_lng=truth,
        path=np.array([f"{n}.jpg" for n in range(6)]),
        place_id=np.array(["a", "a", "b", "c", "d", "e"]),
        country=np.array(["AA", "AA", "BB", "BB", "", "BB"]),
        true_country=np.array(["AA", "AA", "AA", "BB", "BB", ""]),
        cell_rank=np.array([0, 0, 1, 4, 5, 9]),
        radius_km=np.array([100.0, 200.0, 100.0, 500.0, 900.0, 60.0]),
        entropy_nats=np.array([0.1, 0.2, 0.1, 0.5, 0.9, 0.05]),
        population=np.array([5000.0, 300.0, 299.0, 10.0, np.nan, 0.0]),
        centroid_lat_lng=truth,
    )


def test_smaller_radius_and_claims_are_counted(predictions):
    claiming = replace(
        predictions,
        radius_50_km=np.array([1.0, 1.0, 1.0, 500.0, 900.0, 2000.0]),
        within_km=np.array([200.0, 200.0, 200.0, 2500.0, np.inf, np.inf]),
    )
    found = report(claiming)
    assert (found.measured_coverage_50, found.median_radius_50_km) == (0.6667, 250.5)
    assert {km: (each.percent, each.wrong_percent) for km, each in found.claims.items()} == {
        "200": (50.0, pytest.approx(33.3, abs=0.1)), "2500": (pytest.approx(66.7, abs=0.1), 0.0),
    }  # fmt: skip
    lines = list(lines_of(found, {}, {}, 0.9))
    assert "truth within the smaller radius: 66.7% (promised 50%), median radius 250 km" in lines
    assert "within 200 km: claimed by 50.0 %, 33.3 % of them wrong" in lines


def test_answers_and_truths_alone_make_a_report(predictions):
    found = report(Predictions(predictions.lat_lng, predictions.truth_lat_lng))
    assert (found.photographs, found.places) == (6, 6)
    assert found.distances.median_km == pytest.approx(3 * ONE_DEGREE_KM, abs=0.1)
    assert found.country is found.by_centroid is found.measured_coverage is found.median_radius_km is None
    assert found.top_k_cells == {}
    assert found.by_country == found.by_settlement == found.most_uncertain == found.confidently_wrong == ()
    assert [example.error_km for example in found.worst] == sorted(
        (example.error_km for example in found.worst), reverse=True
    )
    assert [sentence.partition(":")[0] for sentence in found.absent] == [
        "country", "top_k_cells", "radius", "by_settlement",
    ]  # fmt: skip


def test_whole_report_by_hand(predictions):
    found = report(predictions)
    assert (found.photographs, found.places) == (6, 5)
    assert found.country.percent == 60.0  # AA, AA and BB of the five whose country is known
    assert found.country.photographs == 5
    assert found.country.interval.low < 60.0 < found.country.interval.high
    assert {k: share.percent for k, share in found.top_k_cells.items()} == {"1": 33.33, "5": 66.67}
    assert found.measured_coverage == pytest.approx(4 / 6, abs=1e-4)
    assert found.median_radius_km == 150.0
    assert found.by_centroid.mean_km == 0.0
    assert found.absent == ("by_settlement: 1 photographs have no population",)


def test_countries_are_sorted_by_their_photographs(predictions):
    first, second = by_country(predictions)
    assert (first.name, first.photographs, first.country_percent) == ("AA", 3, 66.67)
    assert (second.name, second.photographs, second.country_percent) == ("BB", 2, 50.0)
    assert first.median_km == pytest.approx(ONE_DEGREE_KM, abs=0.1)
    assert (first.percent_within_200_km, first.percent_within_750_km) == (66.67, 100.0)
    assert (second.percent_within_200_km, second.percent_within_750_km) == (0.0, 50.0)


def test_urban_begins_at_300_people_a_square_kilometre(predictions):
    urban, rural = by_settlement(predictions)
    assert (urban.name, urban.photographs, rural.name, rural.photographs) == ("urban", 2, "rural", 3)
    assert urban.median_km == pytest.approx(ONE_DEGREE_KM / 2, abs=0.1)
    assert rural.median_km == pytest.approx(4 * ONE_DEGREE_KM, abs=0.1)


def test_examples_are_the_farthest_the_least_sure_and_the_surest_of_the_far(predictions):
    assert [example.path for example in worst(predictions, 2)] == ["5.jpg", "4.jpg"]
    assert [example.path for example in most_uncertain(predictions, 2)] == ["4.jpg", "3.jpg"]
    assert [example.path for example in confidently_wrong(predictions)] == ["5.jpg", "4.jpg"]
    (example,) = worst(predictions, 1)
    assert (example.truth, example.estimate, example.radius_km) == ((0.0, 60.0), (0.0, 76.0), 60.0)
    assert example.error_km == pytest.approx(16 * ONE_DEGREE_KM, abs=1)


def test_entropy_tells_who_is_unsure_where_there_is_no_radius(predictions):
    unsure = replace(predictions, radius_km=None, entropy_nats=-predictions.entropy_nats)
    assert [example.path for example in most_uncertain(unsure, 1)] == ["5.jpg"]
    assert most_uncertain(unsure, 1)[0].radius_km is None


def test_country_by_polygon_is_where_the_point_lies():
    shapes = np.array([shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10)], object)
    boundaries = Boundaries((RegionName("AA", "Aland"), RegionName("", "Bland")), shapes)
    truth = np.array([[5.0, 5.0], [5.0, 5.0], [5.0, -3.0], [5.0, 15.0], [5.0, 5.0]])
    answer = np.array([[9.0, 9.0], [5.0, 11.0], [1.0, 1.0], [2.0, 12.0], [5.0, -0.1]])
    judged = judged_by(boundaries, Predictions(answer, truth))
    assert judged.true_country.tolist() == ["AA", "AA", "AA", "Bland", "AA"]  # the third is at sea, off Aland
    assert judged.country.tolist() == ["AA", "Bland", "AA", "Bland", ""]
    assert report(judged).country.percent == 60.0


def test_arrays_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="radius_km: 2 values for 3 photographs"):
        Predictions(np.zeros((3, 2)), np.zeros((3, 2)), radius_km=np.zeros(2))


def test_parts_are_joined_and_what_one_does_not_know_is_unknown(predictions):
    first, second = predictions.of(np.arange(2)), predictions.of(np.arange(2, 6))
    np.testing.assert_array_equal(joined([first, second]).error_km, predictions.error_km)
    assert joined([first, second]).path.tolist() == predictions.path.tolist()
    assert joined([first, replace(second, radius_km=None)]).radius_km is None


def test_tasks_are_measured_in_units_where_the_truth_is_known():
    truth = TaskTargets(
        np.array([[100.0, np.nan, 10, 20, 30, np.nan], [200, np.nan, 12, 20, 30, 5], [400, np.nan, 14, 20, 30, 5]]),
        np.array([3, -1, 4]), np.array([-1, -1, -1]),
    )  # fmt: skip
    answers = TaskAnswers(truth.regression + np.array([[10], [-20], [60]]), np.array([3, 3, 5]), np.array([1, 2, 3]))
    found = task_metrics(answers, truth)
    assert found["elevation_m"] == RegressionMetric("m", 30.0, 20.0, 3, 0)
    assert found["precipitation_range_mm"] == RegressionMetric("mm", 40.0, 40.0, 2, 1)
    assert found["climate"] == ClassMetric(50.0, 2, 1)
    assert "population" not in found
    assert "month" not in found


def test_task_without_a_head_has_no_metric():
    truth = TaskTargets(np.ones((2, 6)), np.array([1, 1]), np.array([0, 1]))
    assert list(task_metrics(TaskAnswers(None, None, np.array([0, 2])), truth)) == ["month"]


def test_lines_and_json_tell_the_same(predictions):
    predicted = Predicted("planet", predictions, (), (), 0.9)
    evaluation = Evaluation(predicted, report(predictions), {"constant_guess": np.full(6, 5000.0)}, {})
    told, lines = evaluation.to_json(), "\n".join(evaluation.lines())
    assert (told["model"], told["promised_coverage"], told["constant_guess"]["median_km"]) == ("planet", 0.9, 5000.0)
    assert f"{told['ours']['median_km']:,.1f}" in lines
    assert "country right: 60.0 %" in lines
    assert "true geocell among the best 5: 66.7 %" in lines
    assert "truth within the stated radius: 66.7% (promised 90%), median radius 150 km" in lines
    assert "not told: by_settlement: 1 photographs have no population" in lines
    assert len({len(line) for line in lines.splitlines()[:2]}) == 1
