"""Locating many photographs: decoded in threads, encoded in batches, answered in order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pigeon_edge.errors import PigeonError
from pigeon_edge.events.event import Event, failed, located, with_gps
from pigeon_edge.geodesy import LatLng
from pigeon_edge.images.photograph import read_gps, read_pixels
from pigeon_edge.images.preprocess import Pixels, PreprocessSpec
from pigeon_edge.locator import Locator

BATCH = 16
"""Photographs an encoder call; memory is bounded by two batches of decoded pixels."""


@dataclass(frozen=True)
class Photograph:
    """A decoded photograph and the place that its EXIF names."""

    pixels: Pixels
    gps: LatLng | None


def geotag(paths: Sequence[Path], locator: Locator, max_pixels: int) -> Iterator[Event]:
    """Yield one event for each path, in order. A file that cannot be read becomes an event with its error."""
    if not paths:
        return
    batches = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    with _threads() as pool:
        futures = _submit(pool, batches[0], locator.preprocess, max_pixels)
        for batch, following in zip(batches, [*batches[1:], ()], strict=True):
            ready, futures = futures, _submit(pool, following, locator.preprocess, max_pixels)
            yield from _locate(batch, [_outcome(future) for future in ready], locator)


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of threads. What still waits in it when the run is stopped is dropped."""
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def read_photograph(path: Path, spec: PreprocessSpec, max_pixels: int) -> Photograph:
    """Decode one photograph. Raises InputError where it cannot be."""
    return Photograph(read_pixels(path, spec, max_pixels), read_gps(path, max_pixels))


def _submit(
    pool: ThreadPoolExecutor, paths: Sequence[Path], spec: PreprocessSpec, max_pixels: int
) -> list[Future[Photograph]]:
    return [pool.submit(read_photograph, path, spec, max_pixels) for path in paths]


def _outcome(future: Future[Photograph]) -> Photograph | PigeonError:
    try:
        return future.result()
    except PigeonError as error:
        return error


def _locate(paths: Sequence[Path], outcomes: Sequence[Photograph | PigeonError], locator: Locator) -> Iterator[Event]:
    decoded = [outcome.pixels for outcome in outcomes if isinstance(outcome, Photograph)]
    estimates = iter(locator.locate(np.stack(decoded)) if decoded else [])
    for path, outcome in zip(paths, outcomes, strict=True):
        if isinstance(outcome, PigeonError):
            yield failed(str(path), outcome, locator.label)
        else:
            event = located(str(path), next(estimates), locator.label)
            yield with_gps(event, outcome.gps) if outcome.gps else event
