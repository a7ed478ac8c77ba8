"""The tables of an ablation as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pigeon_training.study.ablation.contributions import Published
from pigeon_training.study.ablation.results import Finding
from pigeon_training.study.evaluation.metrics import Interval

LIMITS_KM = ("25", "200", "750", "2500")
"""Of the thresholds, those that a planet of towns 150 km apart can tell: 1 km is left to the JSON."""


def contributions_table(findings: Sequence[Finding], published: Mapping[str, Published]) -> str:
    """Return PIGEON's rows with their intervals, beside the published numbers."""
    header = (
        "", "median km", "95 %", "of seeds", *(f"% @ {limit}" for limit in LIMITS_KM), "country %", "score",
        "gain, points", "95 %", "verdict", "published median", "% @ 25", "% @ 750", "country %",
    )  # fmt: skip
    return _markdown(
        header, [(*_numbers(found), *_gain(found), *_told(published.get(found.name))) for found in findings]
    )


def earlier_table(findings: Sequence[Finding]) -> str:
    """Return the systems with their intervals, held against ours."""
    header = (
        "", "median km", "95 %", "of seeds", *(f"% @ {limit}" for limit in LIMITS_KM), "country %", "score",
        "points over ours", "95 %", "than ours",
    )  # fmt: skip
    return _markdown(header, [(*_numbers(found), *_gain(found)) for found in findings])


def _numbers(found: Finding) -> tuple[str, ...]:
    within = found.distances.percent_within_km
    return (
        found.name,
        f"{found.distances.median_km:,.0f}",
        _interval(found.intervals.median_km),
        " ".join(f"{median:,.0f}" for median in found.seed_medians_km),
        *(f"{within[limit]:.1f}" for limit in LIMITS_KM),
        f"{found.country_percent:.1f}",
        f"{found.distances.score:,.0f}",
    )


def _gain(found: Finding) -> tuple[str, ...]:
    if found.gain is None or found.gain_interval is None:
        return "", "", ""
    return f"{found.gain:+,.0f}", _interval(found.gain_interval), found.verdict


def _told(published: Published | None) -> tuple[str, ...]:
    if published is None:
        return "", "", "", ""
    _, city, _, country, _ = published.percent_within_km
    return f"{published.median_km:g}", f"{city:g}", f"{country:g}", f"{published.country_percent:g}"


def _interval(interval: Interval) -> str:
    return f"{interval.low:,.0f} to {interval.high:,.0f}"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rule, *rows)) + "\n"
