"""Claims: at most as many wrong as is stated, on photographs that nothing was fitted on."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from tests.calibration.confidence_examples import drawn

from pigeon_calibration.confidence.claims import (
    LEVEL,
    WITHIN_KM,
    binomial_tail,
    claims_of,
    proven_thresholds,
    risk_curve,
)
from pigeon_calibration.confidence.fit import settings_of
from pigeon_calibration.confidence.report import report
from pigeon_edge.answer.confidence import Claim, read_confidence


@pytest.mark.parametrize(("wrong", "count", "risk", "tail"), [(0, 22, 0.1, 0.9**22), (1, 2, 0.5, 0.75), (3, 3, 0.2, 1)])
def test_binomial_tail_is_the_chance_of_no_more_wrong(wrong, count, risk, tail):
    assert binomial_tail(wrong, count, risk) == pytest.approx(tail)


def test_threshold_is_the_least_that_passes():
    mass = np.linspace(1, 0, 1000)
    wrong = np.arange(1000) >= 400  # of the surest 400 none
    proven = proven_thresholds(wrong, mass, np.arange(1000), 0.1)
    assert proven == sorted(set(proven))
    claims = mass >= proven[0]
    assert claims.sum() == 425  # 25 of 425 pass, 50 of 450 do not
    assert binomial_tail(25, 425, 0.1) <= LEVEL < binomial_tail(50, 450, 0.1)


def test_photographs_of_one_place_prove_no_more_than_one():
    mass, wrong = np.repeat(np.linspace(1, 0, 250), 4), np.zeros(1000, bool)
    wrong[::32] = True  # 3 % everywhere
    assert proven_thresholds(wrong, mass, np.arange(1000), 0.1)[0] < 0.01
    assert proven_thresholds(wrong, mass, np.repeat(np.arange(250), 4), 0.1)[0] < 0.5
    assert proven_thresholds(wrong, mass, np.repeat(np.arange(25), 40), 0.1) == []


def overconfident(count, seed, tail):
    """Return how sure photographs (N,) are of 25 km, and whether they are wrong: half of the surest, 4 % of others."""
    rng = np.random.default_rng(seed)
    sureness = rng.uniform(0, 1, count)
    return sureness, rng.random(count) < np.where(sureness > 1 - tail, 0.5, 0.04)


def with_farther(sureness, wrong, least):
    """Return wrong and mass (N, 4) where no farther distance is ever wrong, nor has less mass than ``least``."""
    nearest = np.arange(len(WITHIN_KM)) == 0
    mass = np.where(nearest, sureness[:, None], np.maximum(sureness, least + (1 - least) * sureness)[:, None])
    return wrong[:, None] & nearest, mass


def test_stricter_thresholds_than_where_testing_began_are_not_proven():
    sureness, wrong = overconfident(4000, 1, tail=0.03)
    proven = proven_thresholds(wrong, sureness, np.arange(4000), 0.1)
    assert proven[0] < 0.001
    assert wrong[sureness >= 0.97].mean() > 0.4
    assert all(wrong[sureness >= threshold].mean() < 0.1 for threshold in proven)


@pytest.mark.parametrize("risk", [0.1, *(pytest.param(risk, marks=pytest.mark.slow) for risk in (0.05, 0.2))])
def test_risk_is_kept_on_unseen_photographs_nearly_as_often_as_promised(risk):
    broken = claimed = 0
    for seed in range(30):
        fitted_on, unseen = drawn(3000, seed, views=1), drawn(10_000, 1000 + seed, views=1)
        for claim in claims_of(fitted_on.wrong, fitted_on.mass, fitted_on.place, risk):
            number = WITHIN_KM.index(claim.within_km)
            claims = unseen.mass[:, number] >= claim.least_mass
            claimed += 1
            broken += unseen.wrong[claims, number].mean() > risk
    assert claimed >= 20
    assert broken / claimed <= LEVEL + 0.03


@pytest.mark.parametrize(
    ("tail", "least", "claims_near"),
    [
        (0.03, 0.949, False),  # of 25 km only looser ones are proven; of those above, 28 % were wrong
        (0.01, 0.949, False),
        (0.01, 0.5, True),  # stricter thresholds than the least are proven
        (0.03, 0.0, True),
    ],
)
def test_what_farther_distances_demand_is_proven_or_not_claimed(tail, least, claims_near):
    broken, seeds = 0, 20
    for seed in range(seeds):
        wrong, mass = with_farther(*overconfident(4000, seed, tail), least)
        claims = claims_of(wrong, mass, np.arange(4000), 0.1)
        assert [claim.within_km for claim in claims][-3:] == [200, 750, 2500]
        assert (claims[0].within_km == 25) == claims_near
        for claim in claims:
            number = WITHIN_KM.index(claim.within_km)
            assert claim.least_mass in proven_thresholds(wrong[:, number], mass[:, number], np.arange(4000), 0.1)
            unseen_wrong, unseen_mass = with_farther(*overconfident(20_000, 1000 + seed, tail), least)
            broken += unseen_wrong[unseen_mass[:, number] >= claim.least_mass, number].mean() > 0.1
    assert broken <= LEVEL * seeds


@pytest.mark.parametrize("seed", range(50, 55))
def test_who_claims_a_distance_may_claim_every_farther_one(seed):
    outcomes, unseen = drawn(8000, seed), drawn(8000, 1000 + seed)
    claims = claims_of(outcomes.wrong, outcomes.mass, outcomes.place, 0.2)
    claimed = [unseen.mass[:, WITHIN_KM.index(claim.within_km)] >= claim.least_mass for claim in claims]
    assert len(claims) >= 2
    assert all(near.any() and not (near & ~far).any() for near, far in pairwise(claimed))


def test_a_worse_model_abstains_more():
    def unsure(error_scale):
        outcomes = drawn(8000, 51, error_scale=error_scale)
        found = report(settings_of(outcomes, 1.0, 0.1), outcomes, outcomes)
        return [each.claimed for each in found.claims]

    good, bad, hopeless = unsure(0.3), unsure(1.0), unsure(30.0)
    assert all(a >= b for a, b in zip(good, bad, strict=True))
    assert sum(good) > sum(bad) > sum(hopeless) == 0


def test_risk_falls_to_that_of_all_where_all_claim():
    outcomes = drawn(4000, 52)
    curve = risk_curve(outcomes.wrong[:, 1], outcomes.mass[:, 1])
    assert curve[-1].claimed == 1
    assert curve[-1].risk == outcomes.wrong[:, 1].mean()
    assert curve[0].risk < curve[-1].risk


def test_claims_of_settings_are_claims(tmp_path):
    outcomes = drawn(8000, 53)
    settings = settings_of(outcomes, 1.0, 0.2)
    (tmp_path / "c.json").write_text(json.dumps(settings.to_json()))
    assert read_confidence(tmp_path / "c.json") == settings
    assert all(isinstance(claim, Claim) for claim in settings.claims)
