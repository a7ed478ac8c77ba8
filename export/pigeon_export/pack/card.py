"""The model card of a bundle, as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pigeon_edge.answer.confidence import HALF, MOST, ConfidenceSettings
from pigeon_edge.answer.environment import EnvironmentSettings
from pigeon_edge.bundle.format import Description

_ROWS = {
    "ours": "**this bundle**",
    "by_centroid": "its classifier alone (centroid of the best geocell)",
    "nearest_pixels": "nearest neighbour on tiny images",
    "constant_guess": "constant guess (medoid of the training places)",
}


def model_card(
    description: Description,
    about: str,
    confidence: ConfidenceSettings,
    reports: Mapping[str, Mapping[str, Any]],
    environment: EnvironmentSettings | None = None,
) -> str:
    """Return the card; ``reports`` may hold an ``evaluation`` and a ``calibration``."""
    sections = [_head(description, about), _confidence(confidence)]
    if environment is not None:
        sections.append(_surroundings(environment))
    if "evaluation" in reports:
        sections.append(_accuracy(reports["evaluation"]))
    if "calibration" in reports:
        sections.append(_quantization(reports["calibration"]))
    return "\n\n".join([*sections, _USE]) + "\n"


def _head(told: Description, about: str) -> str:
    return f"""# {told.name}

{about or "No description was given."}

- {told.cells:,} geocells; a gallery of {told.photographs:,} photographs in {told.clusters:,} location clusters
- images of {told.preprocess.size_px} px, embeddings of {told.embedding_width}{_precision(told)}
- weights: {told.licences["weights"]}; data: {told.licences["data"]}
- made {told.created}"""


def _precision(told: Description) -> str:
    if told.precision == "int8":
        return ""
    return f"\n- the encoder computes in {told.precision}: no INT8 graph of it ships, so that it is larger and slower"


def _confidence(settings: ConfidenceSettings) -> str:
    if not settings.fitted_on:
        return "## Confidence\n\nNot fitted: the stated radius is the posterior's own, taken at its word."
    half, most = (f"{radii[0]:,.0f} to {radii[-1]:,.0f} km" for radii in (settings.radius_50_km, settings.radius_90_km))
    return (
        f"## Confidence\n\nTemperature {settings.temperature:g}, and two radii by the error that the posterior itself "
        f"expects, fitted on {settings.fitted_on:,} photographs so that {HALF:.0%} of truths lie within the smaller "
        f"one ({half}) and {MOST:.0%} within the larger one ({most}). {_claims(settings)} All of this is promised for "
        "photographs like those that it was fitted on."
    )


def _claims(settings: ConfidenceSettings) -> str:
    if not settings.claims:
        return "No answer claims a distance."
    distances = ", ".join(f"{claim.within_km:,.0f}" for claim in settings.claims)
    return (
        f"Answers that are sure enough claim to be within {distances} km; at most {settings.risk:.0%} of those that do "
        "are wrong."
    )


def _surroundings(environment: EnvironmentSettings) -> str:
    return (
        f"## Surroundings\n\nAlso estimated from the photograph alone: {', '.join(environment.told)}. The "
        "probabilities of classes are the heads' own, taken at their word."
    )


def _accuracy(evaluation: Mapping[str, Any]) -> str:
    limits = list(evaluation["ours"]["percent_within_km"])
    header = "| | median km | GeoGuessr score | " + " | ".join(f"% within {limit} km" for limit in limits) + " |"
    rows = [_row(label, evaluation[key], limits) for key, label in _ROWS.items() if evaluation.get(key)]
    return "\n".join(
        [
            "## Accuracy\n",
            f"Single photographs of {evaluation['places']:,} places that training never saw, through the device's "
            "runtime; measured by `pigeon-edge train evaluate`.\n",
            header,
            "|---|" + "---:|" * (len(limits) + 2),
            *rows,
            f"\n{_intervals(evaluation['ours_95'])} {_country(evaluation['country'])}Truth within the stated radius: "
            f"{evaluation['measured_coverage']:.1%} (promised {evaluation['promised_coverage']:.0%}); "
            f"median radius {evaluation['median_radius_km']:,} km. Within the smaller one: "
            f"{evaluation['measured_coverage_50']:.1%} (promised {HALF:.0%}); median "
            f"{evaluation['median_radius_50_km']:,} km.{_kept_claims(evaluation['claims'])}",
        ]
    )


def _row(label: str, numbers: Mapping[str, Any], limits: list[str]) -> str:
    shares = " | ".join(f"{numbers['percent_within_km'][limit]:.1f}" for limit in limits)
    return f"| {label} | {numbers['median_km']:,.1f} | {numbers['score']:,.0f} | {shares} |"


def _intervals(intervals: Mapping[str, Any]) -> str:
    (low_km, high_km), (low, high) = intervals["median_km"], intervals["score"]
    return f"95 % intervals by bootstrap: median {low_km:,.1f} to {high_km:,.1f} km, score {low:,.0f} to {high:,.0f}."


def _kept_claims(claims: Mapping[str, Mapping[str, float]]) -> str:
    told = [
        f" Within {within_km} km, claimed by {each['percent']:.1f} %: wrong in {each['wrong_percent']:.1f} %."
        for within_km, each in claims.items()
    ]
    return "".join(told)


def _country(share: Mapping[str, Any] | None) -> str:
    return f"Country named correctly: {share['percent']} %. " if share else ""


def _quantization(report: Mapping[str, Any]) -> str:
    facts = "\n".join(f"- {key}: {value}" for key, value in report.items() if isinstance(value, (int, float, str)))
    return f"## Quantization\n\nINT8 against full precision, by `pigeon-edge calibrate int8`.\n\n{facts}"


_USE = """## Intended use

Locating photographs that you may locate, with the stated radius. An estimate is a guess and is labelled as one. Not for
finding private individuals."""
