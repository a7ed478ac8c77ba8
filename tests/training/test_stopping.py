"""The best epoch, and the log of them all."""

from __future__ import annotations

import pytest
from torch import nn

from pigeon_training.learning.stopping import BestEpoch
from pigeon_training.learning.training_log import TrainingLog


def at(value):
    model = nn.Linear(2, 1)
    nn.init.constant_(model.weight, value)
    return model


def test_least_error_is_best_and_its_weights_come_back():
    best = BestEpoch()
    epochs = ((1.0, 900.0), (2.0, 300.0), (3.0, 300.0), (4.0, 500.0))
    taken = [best.offer(at(value), error_km) for value, error_km in epochs]
    assert taken == [True, True, False, False]
    model = at(9.0)
    best.restore(model)
    assert (best.error_km, float(model.weight[0, 0].detach())) == (300.0, 2.0)


def test_kept_weights_do_not_follow_the_training():
    best, model = BestEpoch(), at(1.0)
    best.offer(model, 10.0)
    nn.init.constant_(model.weight, 5.0)
    best.restore(model)
    assert float(model.weight[0, 0].detach()) == 1.0


def test_frozen_weights_are_not_kept():
    model = at(1.0)
    model.weight.requires_grad_(False)
    best = BestEpoch()
    best.offer(model, 10.0)
    assert set(best.weights) == {"bias"}


def test_patience_ends_after_so_many_epochs_without_a_better_one():
    best, model = BestEpoch(patience=2), at(1.0)
    exhausted = []
    for error_km in (5.0, 6.0, 4.0, 4.0, 7.0):
        best.offer(model, error_km)
        exhausted.append(best.exhausted)
    assert exhausted == [False, False, False, False, True]


def test_no_patience_never_stops():
    best = BestEpoch()
    for _ in range(50):
        best.offer(at(1.0), float("inf"))
    assert not best.exhausted


def test_log_is_a_csv_that_grows(tmp_path):
    log = TrainingLog(tmp_path / "log.csv")
    log.write({"epoch": 1, "loss": 2.5})
    assert (tmp_path / "log.csv").read_text(encoding="utf-8").splitlines() == ["epoch,loss", "1,2.5"]
    log.write({"loss": 1 / 3, "epoch": 2})
    lines = (tmp_path / "log.csv").read_text(encoding="utf-8").splitlines()
    assert lines == ["epoch,loss", "1,2.5", "2,0.333333"]
    with pytest.raises(KeyError):
        log.write({"epoch": 3})
