"""The pictures of an evaluation, written into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from pigeon_training.data.geography.boundaries import Boundaries
from pigeon_training.study.evaluation.contact_sheet import contact_sheet
from pigeon_training.study.evaluation.error_curve import error_curve
from pigeon_training.study.evaluation.error_map import error_map
from pigeon_training.study.evaluation.evaluation import Evaluation
from pigeon_training.study.evaluation.examples import FAR_KM
from pigeon_training.study.evaluation.figure import save_png


def write_pictures(folder: Path, evaluation: Evaluation, boundaries: Boundaries | None) -> Iterator[Path]:
    """Write the error curve, the map of errors and up to three sheets of photographs; yield each as it is there."""
    predictions, told = evaluation.predicted.predictions, evaluation.report
    alone_km = predictions.centroid_error_km
    alone = {} if alone_km is None else {"by_centroid": alone_km}
    curves = {"ours": predictions.error_km, **alone, **evaluation.rivals_km}
    yield _saved(folder / "error_curve.png", error_curve(curves, predictions.place_number))
    yield _saved(folder / "error_map.png", error_map(predictions, boundaries.shapes if boundaries else None))
    sheets = {
        "worst": (told.worst, "The photographs farthest off"),
        "most_uncertain": (told.most_uncertain, "The photographs least sure of"),
        "confidently_wrong": (told.confidently_wrong, f"The surest photographs of those more than {FAR_KM:g} km off"),
    }
    for name, (examples, title) in sheets.items():
        if examples:
            yield _saved(folder / f"{name}.png", contact_sheet(examples, title))


def _saved(path: Path, figure: Figure) -> Path:
    save_png(figure, path)
    return path
