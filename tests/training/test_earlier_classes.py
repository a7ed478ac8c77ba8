"""Earlier systems with classes: PlaNet, CPlaNet, ISNs, and the list of all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pigeon_edge.geodesy import destination, haversine_km, lat_lng_of, spherical_mean, unit_vectors
from pigeon_training.cells.squares import squares
from pigeon_training.presets import HEADS_PRESETS
from pigeon_training.study.earlier import classes
from pigeon_training.study.earlier.classes import class_task, mean_places
from pigeon_training.study.earlier.cplanet import CPlanet, crossings, most_votes
from pigeon_training.study.earlier.isns import Isns, enclosing, largest_product
from pigeon_training.study.earlier.photographs import Photographs
from pigeon_training.study.earlier.plain_softmax import PlainSoftmax
from pigeon_training.study.earlier.planet_cells import PlanetCells
from pigeon_training.study.earlier.systems import earlier_systems


def by_class_mean(task):
    """Return a classifier that scores a class by the distance to the mean embedding of its photographs."""
    count = np.bincount(task.training_class)
    means = np.stack([task.training.embedding[task.training_class == c].mean(axis=0) for c in range(len(count))])
    return lambda queries: -200.0 * ((queries[:, None] - means[None]) ** 2).sum(axis=2)


def seen(lat_lng, seed):
    """Return photographs whose embeddings are their places with a little noise."""
    blur = np.random.default_rng(seed).normal(0, 0.01, (len(lat_lng), 3))
    return Photographs((unit_vectors(lat_lng) + blur).astype(np.float32), np.asarray(lat_lng, np.float64))


def towns(count, each, seed):
    """Return coordinates (count * each, 2) around towns on the whole sphere."""
    rng = np.random.default_rng(seed)
    middle = np.repeat(lat_lng_of(np.random.default_rng(1).normal(size=(count, 3))), each, axis=0)
    return destination(middle, rng.uniform(0, 360, len(middle)), rng.uniform(0, 200, len(middle)))


@pytest.fixture(scope="module")
def world():
    return seen(towns(40, 20, 2), 3), seen(towns(40, 4, 4), 5), seen(towns(40, 4, 6), 7)


def logits_of(*probabilities):
    return [np.log(np.array(one)) for one in probabilities]


def test_planet_answers_with_the_mean_place_of_the_likeliest_square(world):
    training, validation, asked = world
    task = class_task(squares(training.lat_lng, 5, 40), training, validation)
    answer = PlanetCells(lambda _: lambda queries: np.eye(len(task.centroid_lat_lng))[[3] * len(queries)], 5, 40)(
        training, validation, asked.embedding
    )
    own = training.lat_lng[task.training_class == 3]
    assert haversine_km(answer, spherical_mean(own)).max() < 1e-6


def test_classes_of_validation_are_those_of_the_same_squares(world):
    training, validation, _ = world
    land = squares(training.lat_lng, 5, 40)
    task = class_task(land, training, validation)
    assert task.validation_class.tolist() == land.region_of(validation.lat_lng).tolist()
    assert np.bincount(task.training_class).min() >= 5
    assert len(task.centroid_lat_lng) == task.training_class.max() + 1


def test_mean_place_across_the_antimeridian_and_of_points_that_cancel_out():
    places = np.array([(0.0, 179.0), (0.0, -179.0), (0.0, 90.0), (0.0, -90.0)])
    found = mean_places(places, np.array([0, 0, 1, 1]))
    assert haversine_km(found[0], (0.0, 180.0)) < 1e-6
    assert found[1].tolist() in places[2:].tolist()


@pytest.mark.parametrize("chunk", [1, 7, 512])
@pytest.mark.parametrize("system", [PlanetCells, CPlanet, Isns])
def test_answers_do_not_depend_on_the_chunk(world, system, chunk, monkeypatch):
    training, validation, asked = world
    whole = system(by_class_mean, 5, 40)(training, validation, asked.embedding[:30])
    monkeypatch.setattr(classes, "CHUNK", chunk)
    np.testing.assert_array_equal(system(by_class_mean, 5, 40)(training, validation, asked.embedding[:30]), whole)


def test_crossings_of_two_partitions_are_finer_than_either():
    crossed, fine = crossings([np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 1, 1])])
    assert crossed.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert fine.tolist() == [0, 1, 2, 3, 3]


def test_votes_of_two_ambiguous_partitions_name_one_fine_cell():
    # Fine cells A B C D; the first partition tells AB from CD, the second AC from BD.
    crossed = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    assert most_votes(crossed, logits_of([(0.9, 0.1), (0.4, 0.6)], [(0.2, 0.8), (0.9, 0.1)])).tolist() == [1, 2]


def test_votes_count_by_probability_and_not_by_the_scale_of_logits():
    crossed = np.array([(0, 0, 0), (1, 1, 1)])
    loud, quiet = np.array([(10.0, 0.0)]), np.array([(0.0, 3.0)])
    assert most_votes(crossed, [loud, quiet, quiet]).tolist() == [1]


def test_cplanet_has_more_cells_than_each_of_its_partitions(world):
    training, validation, _ = world
    parts = CPlanet(by_class_mean, 5, 40).partitions(training.lat_lng)
    tasks = [class_task(land, training, validation) for land in parts]
    crossed, fine = crossings([task.training_class for task in tasks])
    assert len(parts) == 6
    sizes = [len(task.centroid_lat_lng) for task in tasks]
    assert len(crossed) > sizes[0] > max(sizes[1:])
    assert np.bincount(fine).min() >= 1
    np.testing.assert_array_equal(crossed[fine], np.stack([task.training_class for task in tasks], axis=1))


def test_cplanet_is_nearer_than_its_coarse_squares_alone(world):
    training, validation, asked = world
    cplanet = CPlanet(by_class_mean, 5, 40)
    coarse = PlanetCells(by_class_mean, 5, 80)
    error_km = [
        np.median(haversine_km(system(training, validation, asked.embedding), asked.lat_lng))
        for system in (cplanet, coarse)
    ]
    assert error_km[0] < 0.7 * error_km[1]


def test_cplanet_is_the_same_by_seed_and_another_by_another(world):
    training = world[0]

    def keys(seed):
        return [part.region_of(training.lat_lng).tolist() for part in CPlanet(by_class_mean, 5, 40, seed=seed)
                .partitions(training.lat_lng)]  # fmt: skip

    assert keys(1) == keys(1)
    assert keys(1)[0] == keys(2)[0] == squares(training.lat_lng, 5, 40).region_of(training.lat_lng).tolist()
    assert keys(1)[1:] != keys(2)[1:]


@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=9))
@settings(max_examples=25, deadline=None)
def test_turned_squares_hold_every_point_in_one_region(world, points):
    for part in CPlanet(by_class_mean, 5, 40).partitions(world[0].lat_lng):
        region = part.region_of(np.array(points))
        assert ((region >= 0) & (region <= part.squares.region.max())).all()


def test_product_prefers_the_consistent_square_over_the_likeliest_fine_one():
    # Fine squares A B lie in coarse 0, C in coarse 1.
    around = [np.array([0, 0, 1]), np.array([0, 1, 2])]
    coarse, fine = logits_of([(0.9, 0.1)], [(0.35, 0.25, 0.4)])
    assert fine.argmax() == 2
    assert largest_product(around, [coarse, fine]).tolist() == [0]


def test_product_leaves_a_sure_fine_square_alone():
    around = [np.array([0, 0, 1]), np.array([0, 1, 2])]
    assert largest_product(around, logits_of([(0.6, 0.4)], [(0.01, 0.01, 0.98)])).tolist() == [2]


def test_product_of_tiny_probabilities_does_not_vanish():
    around = [np.array([0, 1])] * 3
    assert largest_product(around, [np.array([(-4000.0, -3999.0, 0.0)])] * 3).tolist() == [1]


def test_a_fine_square_lies_where_most_of_its_photographs_lie():
    assert enclosing(np.array([0, 0, 0, 1, 1, 2]), np.array([4, 7, 7, 2, 2, 0])).tolist() == [7, 2, 0]


def test_isns_partitions_are_finer_one_after_the_other_and_the_answer_is_a_fine_centre(world):
    training, validation, asked = world
    counts = []

    def counted(task):
        counts.append(len(task.centroid_lat_lng))
        return by_class_mean(task)

    answer = Isns(counted, 5, 40)(training, validation, asked.embedding)
    assert counts[0] < counts[1] < counts[2]
    fine = class_task(squares(training.lat_lng, 5, 40), training, validation).centroid_lat_lng
    assert haversine_km(answer[:, None], fine[None]).min(axis=1).max() < 1e-6
    assert np.median(haversine_km(answer, asked.lat_lng)) < 1500


def test_every_system_answers_every_query_and_the_same_every_time(world):
    training, validation, asked = world
    middle = haversine_km(spherical_mean(training.lat_lng), asked.lat_lng)
    names = []
    for name, locate in earlier_systems(by_class_mean, 5, 40, seed=330):
        answer = locate(training, validation, asked.embedding)
        assert answer.shape == asked.lat_lng.shape
        assert np.isfinite(answer).all()
        assert np.median(haversine_km(answer, asked.lat_lng)) < 0.2 * np.median(middle)
        np.testing.assert_array_equal(locate(training, validation, asked.embedding), answer)
        assert locate(training, validation, asked.embedding[:0]).shape == (0, 2)
        names.append(name)
    assert names == ["IM2GPS", "PlaNet", "IM2GPS revisited", "CPlaNet", "ISNs", "regression"]


@pytest.fixture
def plain_softmax():
    """Return a fitted head's maker, and the list of epochs that it tells of."""
    epochs = []
    preset = replace(HEADS_PRESETS["toy"], epochs=15, patience=0, learning_rate=0.1)
    return PlainSoftmax(preset, epochs.append), epochs


def test_plain_softmax_learns_the_classes_of_photographs_it_has_not_seen(world, plain_softmax):
    training, validation, asked = world
    fit, epochs = plain_softmax
    land = squares(training.lat_lng, 5, 40)
    logits = fit(class_task(land, training, validation))(asked.embedding)
    assert logits.shape == (len(asked.lat_lng), land.region.max() + 1)
    assert (logits.argmax(axis=1) == land.region_of(asked.lat_lng)).mean() > 0.6
    assert len(epochs) == 15
    assert epochs[-1]["validation_km"] < 0.3 * epochs[0]["validation_km"]


def test_plain_softmax_is_not_smoothed_whatever_the_preset(world, plain_softmax):
    training, validation, asked = world
    task = class_task(squares(training.lat_lng, 5, 40), training, validation)
    fit, _ = plain_softmax
    smoother = PlainSoftmax(HEADS_PRESETS["pigeon"], lambda _: None)
    same = replace(smoother, preset=replace(fit.preset, smoothing=HEADS_PRESETS["pigeon"].smoothing, tasks=("month",)))
    np.testing.assert_array_equal(same(task)(asked.embedding), fit(task)(asked.embedding))


def test_systems_with_fitted_heads_answer_the_same_every_time(world, plain_softmax):
    training, validation, asked = world
    for system in (PlanetCells, CPlanet, Isns):
        locate = system(plain_softmax[0], 5, 40)
        answer = locate(training, validation, asked.embedding)
        assert np.median(haversine_km(answer, asked.lat_lng)) < 2500
        np.testing.assert_array_equal(locate(training, validation, asked.embedding), answer)
