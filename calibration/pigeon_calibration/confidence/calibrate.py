"""The whole way of ``calibrate confidence``: fit on one part of a manifest, judge on another, write, tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from pigeon_calibration.confidence.encoded import Unreadable, encoded
from pigeon_calibration.confidence.fit import Fitted, fit_confidence
from pigeon_calibration.confidence.held_out import HeldOut, Purpose, held_out
from pigeon_calibration.confidence.outcomes import Outcomes, outcomes_of, truth_of
from pigeon_calibration.confidence.report import Report, lines_of, report
from pigeon_edge.answer.confidence import UNFITTED
from pigeon_edge.bundle.format import GRAPH, open_bundle
from pigeon_edge.bundle.parts import open_gallery
from pigeon_edge.cli.console import say
from pigeon_edge.errors import UsageError
from pigeon_edge.files import check_files, write_json
from pigeon_edge.locator import Locator, open_locator
from pigeon_edge.manifest import PhotoRow, read_manifest
from pigeon_edge.retrieval.gallery import Gallery

SCHEMA = "pigeon-edge/confidence-report@1"

_SHOWN_FAILURES = 5


@dataclass(frozen=True)
class Files:
    """What ``calibrate confidence`` writes; the report and the picture only where they are asked for."""

    settings: Path
    report: Path | None
    picture: Path | None


def calibrate_confidence(bundle: Path, manifest: Path, files: Files, risk: float) -> None:
    """Write the settings, and the report and picture of what they are worth on photographs that nothing was fitted on.

    The settings are written as soon as they are fitted, so that they stay where judging them fails. Raises InputError
    where the manifest's held-out photographs do not do, UsageError where a file would be overwritten.
    """
    check_files([files.settings, files.report, files.picture], [manifest])
    _check_picture(files.picture)
    opened = open_bundle(bundle)
    parts, unreadable = held_out(read_manifest(manifest)), Unreadable()
    if not opened.description.photographs:
        say("pigeon-edge: the bundle's gallery has no photographs: the true geocell is that of the nearest centroid")
    with open_locator(opened, confidence=UNFITTED) as locator:
        gallery = open_gallery(opened)
        fitted = fit_confidence(locator, gallery, parts.fit, unreadable, files.settings.parent, risk)
        fitted = replace(fitted, settings=replace(fitted.settings, graph_sha256=opened.files[GRAPH][1]))
        _write_settings(files.settings, fitted)
        unseen = _unseen(locator, gallery, parts.check, unreadable, fitted.settings.temperature)
    found = report(fitted.settings, fitted.outcomes, unseen)
    if files.report:
        write_json(files.report, _document(opened.label, fitted, found, parts, unreadable))
    if files.picture:
        from pigeon_calibration.confidence.picture import write_picture  # matplotlib, which only pictures need

        write_picture(files.picture, found, risk)
    _tell(fitted, found, parts, unreadable)


def _write_settings(path: Path, fitted: Fitted) -> None:
    write_json(path, fitted.settings.to_json())
    places = len(set(fitted.outcomes.place.tolist()))
    say(f"pigeon-edge: {path}: fitted on {fitted.settings.fitted_on:,} photographs of {places:,} places")


def _unseen(
    locator: Locator, gallery: Gallery, rows: Sequence[PhotoRow], unreadable: Unreadable, temperature: float
) -> Outcomes:
    batches = encoded(locator, rows, unreadable, Purpose.JUDGE)
    return outcomes_of(batches, truth_of(rows, gallery, locator.cells), locator, temperature)


def _document(label: str, fitted: Fitted, found: Report, parts: HeldOut, unreadable: Unreadable) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "bundle": label,
        "checked_on": parts.checked_on,
        "settings": fitted.settings.to_json(),
        **found.to_json(),
        "unreadable": unreadable.reasons,
    }


def _tell(fitted: Fitted, found: Report, parts: HeldOut, unreadable: Unreadable) -> None:
    unseen = found.coverage[0].found
    say(f"pigeon-edge: checked on {unseen.photographs:,} of {unseen.places:,} others ({parts.checked_on}):")
    for line in lines_of(found, fitted.settings):
        typer.echo(f"  {line}")
    if unreadable.reasons:
        shown = "; ".join(unreadable.reasons[:_SHOWN_FAILURES])
        say(f"pigeon-edge: left out {len(unreadable.reasons)} photographs that cannot be read: {shown}")


def _check_picture(path: Path | None) -> None:
    if path and path.suffix.lower() != ".png":
        raise UsageError(f"{path}: expected the name of a picture that ends in .png; name another")
