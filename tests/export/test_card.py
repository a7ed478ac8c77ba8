"""The words and numbers of a model card."""

from __future__ import annotations

from dataclasses import replace

from pigeon_edge.answer.confidence import UNFITTED, Claim, ConfidenceSettings
from pigeon_edge.bundle.format import Description
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.retrieval.published import PaperRefinement
from pigeon_export.pack.card import model_card

TOLD = Description(
    name="europe", created="2024-05-06T07:08:09+00:00", preprocess=PreprocessSpec(224), embedding_width=768, opset=20,
    cells=2073, clusters=41_000, photographs=1_200_000, refinement=PaperRefinement(),
    licences={"weights": "MIT", "data": "CC-BY-4.0"},
)  # fmt: skip
FITTED = ConfidenceSettings(
    temperature=1.25, expected_km=(50.0,), radius_50_km=(1.4, 300.0), radius_90_km=(40.0, 2345.6), risk=0.2,
    claims=(Claim(200.0, 0.9), Claim(2500.0, 0.5)), fitted_on=4321,
)  # fmt: skip


def numbers(median_km, *shares, score=3000.4):
    limits = ("1", "25", "200", "750", "2500")
    return {"median_km": median_km, "score": score, "percent_within_km": dict(zip(limits, shares, strict=True))}


EVALUATION = {
    "places": 2000,
    "ours": numbers(1234.56, 1.04, 20.0, 40.0, 60.0, 99.96, score=4321.6),
    "ours_95": {"median_km": [1100.06, 1300.0], "score": [4299.7, 4350.0]},
    "by_centroid": numbers(150.0, 0.0, 1.0, 2.0, 3.0, 4.0),
    "nearest_pixels": numbers(5000.0, 0.0, 0.0, 0.0, 0.0, 5.0),
    "constant_guess": numbers(9000.0, 0.0, 0.0, 0.0, 0.0, 1.0),
    "country": {"percent": 81.25, "interval": [79.0, 83.0], "photographs": 2000},
    "promised_coverage": 0.9,
    "measured_coverage": 0.8765,
    "median_radius_km": 1432.1,
    "measured_coverage_50": 0.5123,
    "median_radius_50_km": 321.0,
    "claims": {"200": {"percent": 12.3, "wrong_percent": 9.8}},
}
CALIBRATION = {"passed": True, "embedding_cosine_p01": 0.9876, "thresholds": {"cosine_p01": 0.98}, "misses": []}


def test_head_states_name_counts_and_licences():
    card = model_card(TOLD, "Streets of Europe.", FITTED, {})
    assert card.startswith("# europe\n\nStreets of Europe.\n")
    assert "- 2,073 geocells; a gallery of 1,200,000 photographs in 41,000 location clusters\n" in card
    assert "- images of 224 px, embeddings of 768\n- weights: MIT; data: CC-BY-4.0\n" in card
    assert "- made 2024-05-06T07:08:09+00:00\n" in card


def test_card_without_a_description_says_so():
    assert "\nNo description was given.\n" in model_card(TOLD, "", FITTED, {})


def test_accuracy_is_a_table_of_ours_beside_what_it_has_to_beat():
    lines = model_card(TOLD, "", FITTED, {"evaluation": EVALUATION}).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert table[0] == (
        "| | median km | GeoGuessr score | % within 1 km | % within 25 km | % within 200 km | % within 750 km "
        "| % within 2500 km |"
    )
    assert table[1] == "|---|---:|---:|---:|---:|---:|---:|---:|"
    assert table[2] == "| **this bundle** | 1,234.6 | 4,322 | 1.0 | 20.0 | 40.0 | 60.0 | 100.0 |"
    assert [line.split(" |")[0] for line in table[3:]] == [
        "| its classifier alone (centroid of the best geocell)",
        "| nearest neighbour on tiny images",
        "| constant guess (medoid of the training places)",
    ]
    assert {line.count("|") for line in table} == {9}


def test_promise_of_the_radius_stands_beside_what_was_measured():
    card = model_card(TOLD, "", FITTED, {"evaluation": EVALUATION})
    assert "Country named correctly: 81.25 %." in card
    assert "within the stated radius: 87.6% (promised 90%); median radius 1,432.1 km. " in card
    assert "Within the smaller one: 51.2% (promised 50%); median 321.0 km. " in card
    assert "Within 200 km, claimed by 12.3 %: wrong in 9.8 %.\n" in card


def test_card_tells_how_sure_its_numbers_are():
    card = model_card(TOLD, "", FITTED, {"evaluation": EVALUATION})
    assert "\n95 % intervals by bootstrap: median 1,100.1 to 1,300.0 km, score 4,300 to 4,350. Country" in card


def test_baselines_and_countries_that_nobody_measured_are_left_out():
    measured = {key: value for key, value in EVALUATION.items() if key not in {"nearest_pixels", "constant_guess"}}
    card = model_card(TOLD, "", FITTED, {"evaluation": {**measured, "country": None}})
    assert [line.split(" |")[0] for line in card.splitlines() if line.startswith("| ")][1:] == [
        "| **this bundle**", "| its classifier alone (centroid of the best geocell)",
    ]  # fmt: skip
    assert "Country" not in card
    assert "4,350. Truth within the stated radius" in card


def test_fitted_confidence_is_stated():
    card = model_card(TOLD, "", FITTED, {})
    assert "Temperature 1.25, and two radii by the error that the posterior itself expects, fitted on 4,321" in card
    assert (
        "50% of truths lie within the smaller one (1 to 300 km) and 90% within the larger one (40 to 2,346 km)" in card
    )
    assert "claim to be within 200, 2,500 km; at most 20% of those that do are wrong." in card
    assert "No answer claims a distance." in model_card(TOLD, "", replace(FITTED, claims=()), {})


def test_unfitted_confidence_is_admitted():
    card = model_card(TOLD, "", replace(UNFITTED, temperature=1.0), {})
    assert "## Confidence\n\nNot fitted" in card
    assert "truths lie within" not in card


def test_quantization_lists_plain_facts_only():
    card = model_card(TOLD, "", FITTED, {"calibration": CALIBRATION})
    assert "- passed: True\n- embedding_cosine_p01: 0.9876\n" in card
    assert "thresholds" not in card
    assert "misses" not in card


def test_sections_appear_only_with_their_reports():
    headings = [line for line in model_card(TOLD, "", FITTED, {}).splitlines() if line.startswith("#")]
    assert headings == ["# europe", "## Confidence", "## Intended use"]
    full = model_card(TOLD, "", FITTED, {"evaluation": EVALUATION, "calibration": CALIBRATION})
    headings = [line for line in full.splitlines() if line.startswith("## ")]
    assert headings == ["## Confidence", "## Accuracy", "## Quantization", "## Intended use"]
    assert full.endswith("individuals.\n")
