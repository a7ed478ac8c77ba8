"""An evaluation as lines of text, for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pigeon_training.study.evaluation.breakdown import Group
from pigeon_training.study.evaluation.examples import Example
from pigeon_training.study.evaluation.metrics import THRESHOLDS_KM, DistanceIntervals, Distances, Interval
from pigeon_training.study.evaluation.report import Report, Share
from pigeon_training.study.evaluation.tasks import ClassMetric, RegressionMetric

LABELS = {
    "ours": "this model",
    "by_centroid": "its classifier alone",
    "nearest_pixels": "nearest tiny image",
    "constant_guess": "constant guess",
}
"""Words for what is compared, the same in every table and picture."""

COUNTRIES = 10
"""Countries in the table; JSON has all."""

_EXAMPLES = 5
_COLUMNS = (22, 19, 19, 15, 11, 11, 11, 11, 11)


def lines_of(
    report: Report,
    rivals: Mapping[str, Distances],
    tasks: Mapping[str, RegressionMetric | ClassMetric],
    promised_coverage: float | None,
) -> Iterator[str]:
    """Yield the lines of a report; ``rivals`` are the baselines, by name."""
    yield _row("", "median km", "mean km", "score", *(f"% {limit:g} km" for limit in THRESHOLDS_KM))
    yield _distances("ours", report.distances)
    yield _intervals(report.intervals)
    compared = ({"by_centroid": report.by_centroid} if report.by_centroid else {}) | dict(rivals)
    for name, rival in compared.items():
        yield _distances(name, rival)
    yield ""
    yield from _shares(report)
    yield from _radius(report, promised_coverage)
    yield from (_task(name, metric) for name, metric in tasks.items())
    yield from _groups("by country", report.by_country[:COUNTRIES], len(report.by_country))
    yield from _groups("by people per km2", report.by_settlement, len(report.by_settlement))
    yield from _examples("farthest off", report.worst[:_EXAMPLES])
    yield from _examples("surest of those more than 750 km off", report.confidently_wrong[:_EXAMPLES])
    yield from (f"not told: {sentence}" for sentence in report.absent)


def _row(*texts: str) -> str:
    padded = [texts[0].ljust(_COLUMNS[0])]
    padded += [text.rjust(width) for text, width in zip(texts[1:], _COLUMNS[1:], strict=False)]
    return "".join(padded).rstrip()


def _distances(name: str, numbers: Distances) -> str:
    shares = [f"{share:.1f}" for share in numbers.percent_within_km.values()]
    return _row(LABELS[name], f"{numbers.median_km:,.1f}", f"{numbers.mean_km:,.1f}", f"{numbers.score:,.0f}", *shares)


def _intervals(numbers: DistanceIntervals) -> str:
    shares = [_between(interval, 1) for interval in numbers.percent_within_km.values()]
    return _row(
        "  95 % interval", _between(numbers.median_km, 1), _between(numbers.mean_km, 1), _between(numbers.score, 0),
        *shares,
    )  # fmt: skip


def _between(interval: Interval, digits: int) -> str:
    return f"{interval.low:,.{digits}f}-{interval.high:,.{digits}f}"


def _shares(report: Report) -> Iterator[str]:
    if report.country:
        yield f"country right: {_share(report.country)} of {report.country.photographs:,}"
    for k, share in report.top_k_cells.items():
        yield f"true geocell among the best {k}: {_share(share)}"


def _share(share: Share) -> str:
    return f"{share.percent:.1f} % ({_between(share.interval, 1)})"


def _radius(report: Report, promised: float | None) -> Iterator[str]:
    if report.measured_coverage is not None and promised is not None:
        yield (
            f"truth within the stated radius: {report.measured_coverage:.1%} (promised {promised:.0%}), "
            f"median radius {report.median_radius_km:,.0f} km"
        )
    if report.measured_coverage_50 is not None:
        yield (
            f"truth within the smaller radius: {report.measured_coverage_50:.1%} (promised 50%), "
            f"median radius {report.median_radius_50_km:,.0f} km"
        )
    for within_km, claims in report.claims.items():
        yield f"within {within_km} km: claimed by {claims.percent:.1f} %, {claims.wrong_percent:.1f} % of them wrong"


def _task(name: str, metric: RegressionMetric | ClassMetric) -> str:
    known = f"{metric.photographs:,} known, {metric.unknown:,} not"
    if isinstance(metric, ClassMetric):
        return f"{name}: {metric.percent:.1f} % right; {known}"
    mean, median = metric.mean_absolute_error, metric.median_absolute_error
    return f"{name}: off by {mean:,.1f} {metric.unit} on average, {median:,.1f} in the median; {known}"


def _groups(title: str, groups: Sequence[Group], total: int) -> Iterator[str]:
    if not groups:
        return
    more = f" ({len(groups)} of {total})" if len(groups) < total else ""
    yield ""
    yield _row(title + more, "photographs", "median km", "% 200 km", "% 750 km", "% country")
    for group in groups:
        country = "-" if group.country_percent is None else f"{group.country_percent:.1f}"
        yield _row(
            group.name, f"{group.photographs:,}", f"{group.median_km:,.1f}", f"{group.percent_within_200_km:.1f}",
            f"{group.percent_within_750_km:.1f}", country,
        )  # fmt: skip


def _examples(title: str, examples: Sequence[Example]) -> Iterator[str]:
    if examples:
        yield ""
        yield f"{title}:"
    for example in examples:
        radius = "" if example.radius_km is None else f", radius {example.radius_km:,.0f} km"
        countries = (
            f" ({example.true_country}, answered {example.country or 'no country'})" if example.true_country else ""
        )
        yield f"  {example.error_km:>8,.0f} km{radius}  {example.path}{countries}"
