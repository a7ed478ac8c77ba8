"""Locating many photographs: decoded in threads, encoded in batches, answered in order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pigeon_edge.archive.journal import Journal
from pigeon_edge.errors import PigeonError
from pigeon_edge.events.event import Event, failed, of_photograph
from pigeon_edge.images.photograph import Photograph, read_photograph
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.locator import Locator

BATCH = 16
"""Photographs an encoder call; memory is bounded by two batches of decoded pixels."""


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


def geotag_resumably(paths: Sequence[Path], locator: Locator, max_pixels: int, journal: Journal) -> Iterator[Event]:
    """Yield what ``geotag`` does; events that a journal holds are taken from there, others are added to it."""
    known = [journal.find(path) for path in paths]
    missing = geotag([path for path, event in zip(paths, known, strict=True) if event is None], locator, max_pixels)
    for path, event in zip(paths, known, strict=True):
        yield event or journal.add(path, next(missing))


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of threads. What still waits in it when the run is stopped is dropped, and waited for by nobody."""
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # a signal may have left one of its locks locked


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
            yield of_photograph(str(path), outcome, next(estimates), locator.label)
