"""The locator: pixels in, estimates out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pigeon_edge.answer.cells import CellTable, posterior
from pigeon_edge.answer.confidence import MOST, ConfidenceSettings, stated
from pigeon_edge.answer.encoding import Encoding, unit
from pigeon_edge.answer.environment import EnvironmentSettings, environments
from pigeon_edge.answer.estimate import Candidate, Estimate, Refinement
from pigeon_edge.bundle.format import Bundle
from pigeon_edge.bundle.parts import open_cells, open_confidence, open_environment, open_gallery
from pigeon_edge.encoders import Encoder, Engine, open_encoder
from pigeon_edge.errors import UsageError
from pigeon_edge.geodesy import LatLng
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_edge.retrieval.protocol import Refined, Retrieval
from pigeon_edge.retrieval.refine import RefinementSettings, refine


class Found(NamedTuple):
    """Of one photograph: the posterior over geocells (C,), and the candidates that refinement made of it."""

    posterior: npt.NDArray[np.float64]
    refined: Refined


@dataclass(frozen=True)
class Locator:
    """Everything that turns pixels into estimates; ``open_locator`` gathers it from a bundle.

    As a context manager it releases its encoder at the end, where that holds what must be released (a GPU's memory).
    """

    preprocess: PreprocessSpec
    encoder: Encoder
    cells: CellTable
    gallery: Retrieval
    refinement: RefinementSettings
    confidence: ConfidenceSettings
    label: str
    environment: EnvironmentSettings | None = None

    def __enter__(self) -> Locator:
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(self.encoder, AbstractContextManager):
            self.encoder.__exit__(None, None, None)

    def locate(self, pixels: Pixels) -> list[Estimate]:
        """Return one estimate for each of (N, S, S, 3) uint8 pixels, as ``read_pixels`` makes them.

        Raises UsageError for an array of another shape or type.
        """
        side = self.preprocess.size_px
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (side, side, 3):
            raise UsageError(
                f"expected pixels (N, {side}, {side}, 3) uint8, found {pixels.shape} {pixels.dtype}; "
                "make them by read_pixels, and give one photograph as pixels[None]"
            )
        return self.answers(self.encoder.encode(pixels))

    def answers(self, encoding: Encoding) -> list[Estimate]:
        """Return one estimate for each of the N photographs of an encoding.

        Raises BundleError where the encoding lacks an output that ``environment`` tells of.
        """
        return self.tell(encoding, self.find(encoding))

    def find(self, encoding: Encoding) -> list[Found]:
        """Classify and refine: return the posterior and the candidates of each of the N photographs of an encoding."""
        posteriors = posterior(encoding.cell_logits, self.confidence.temperature)  # (N, C)
        return [self._find(e, p) for e, p in zip(unit(encoding.embedding), posteriors, strict=True)]

    def tell(self, encoding: Encoding, found: Sequence[Found]) -> list[Estimate]:
        """Return the estimates of what was found of an encoding: how sure they are, and what the surroundings are.

        Raises BundleError where the encoding lacks an output that ``environment`` tells of.
        """
        estimates = [self._answer(one.refined, one.posterior) for one in found]
        if self.environment is None:
            return estimates
        told = environments(self.environment, encoding, [estimate.lat_lng.lat for estimate in estimates])
        return [replace(estimate, environment=one) for estimate, one in zip(estimates, told, strict=True)]

    def _find(self, embedding: npt.NDArray[np.float32], cell_posterior: npt.NDArray[np.float64]) -> Found:
        refined = refine(embedding, cell_posterior, self.cells.centroid_lat_lng, self.gallery, self.refinement)
        return Found(cell_posterior, refined)

    def _answer(self, refined: Refined, cell_posterior: npt.NDArray[np.float64]) -> Estimate:
        promise = stated(refined, cell_posterior, self.cells, self.confidence)
        best, row = int(refined.cells[0]), int(refined.photographs[0])
        return Estimate(
            lat_lng=_lat_lng(refined.lat_lng[0]),
            radius_km=promise.radius_90_km,
            radius_coverage=MOST,
            radius_50_km=promise.radius_50_km,
            within_km=promise.within_km,
            place=self.cells.places[best],
            levels=self.cells.levels(cell_posterior, best),
            candidates=self._candidates(refined, cell_posterior),
            refinement=Refinement(refined.moved_km, row if row >= 0 else None),
        )

    def _candidates(self, refined: Refined, cell_posterior: npt.NDArray[np.float64]) -> tuple[Candidate, ...]:
        rows = zip(refined.lat_lng, refined.probability.tolist(), refined.cells.tolist(), strict=True)
        return tuple(
            Candidate(_lat_lng(point), float(cell_posterior[cell]), share, cell, self.cells.places[cell])
            for point, share, cell in rows
        )


def open_locator(bundle: Bundle, engine: Engine = Engine.AUTO, confidence: ConfidenceSettings | None = None) -> Locator:
    """Open everything in a bundle that locating needs, with its own confidence unless one is given.

    Raises BundleError, EngineError or MissingToolError.

    >>> from pigeon_edge import open_bundle, read_pixels
    >>> from pigeon_edge.cli.options import TOY_PLANET
    >>> photograph = TOY_PLANET.parent / "samples" / "03-kleivia.jpg"
    >>> with open_locator(open_bundle(TOY_PLANET)) as locator:
    ...     [estimate] = locator.locate(read_pixels(photograph, locator.preprocess)[None])
    >>> print(estimate.place)
    Kloken, Kleivia
    """
    return Locator(
        preprocess=bundle.description.preprocess,
        encoder=open_encoder(bundle, engine),
        cells=open_cells(bundle),
        gallery=open_gallery(bundle),
        refinement=bundle.description.refinement,
        confidence=confidence or open_confidence(bundle),
        label=bundle.label,
        environment=open_environment(bundle),
    )


def _lat_lng(point: npt.NDArray[np.float64]) -> LatLng:
    return LatLng(float(point[0]), float(point[1]))
