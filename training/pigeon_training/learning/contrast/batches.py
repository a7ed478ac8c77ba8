"""Batches of photographs and captions, each a function of its number: a run that goes on sees what it would have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from transformers import CLIPTokenizer

from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.manifest import PhotoRow
from pigeon_training.data.streaming import PhotoStream, Unreadable, singles
from pigeon_training.learning.contrast.captions import NOTHING_MORE, CaptionFacts, CaptionStyle, caption
from pigeon_training.learning.contrast.loss import same_words

CaptionOf: TypeAlias = Callable[[PhotoRow, int], str]

MAX_TOKENS = 77
"""The context of CLIP's text tower (Radford et al. 2021); longer captions are cut."""


@dataclass(frozen=True)
class Batch:
    """N pairs: pixels (N, S, S, 3) uint8, tokens (N, 2, T) ids and attention mask, twins (N, N) equal captions.

    ``unreadable`` photographs were asked for too and are none of the N.
    """

    pixels: torch.Tensor
    tokens: torch.Tensor
    twins: torch.Tensor
    spec: PreprocessSpec
    captions: Sequence[str]
    unreadable: tuple[Unreadable, ...]


@dataclass(frozen=True)
class Batches:
    """Photographs in an order of its own for every epoch; the last, partial batch is left out.

    ``caption_of`` a row and an epoch is a function of these alone.
    """

    rows: Sequence[PhotoRow]
    caption_of: CaptionOf
    tokenizer: CLIPTokenizer
    spec: PreprocessSpec
    size: int
    seed: int

    def at(self, step: int) -> Batch:
        """Return the batch of a step, as many photographs as ``size`` or as there are."""
        size = min(self.size, len(self.rows))
        epoch, place = divmod(step, len(self.rows) // size)
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.rows))
        return self.of([self.rows[row] for row in order[place * size : (place + 1) * size]], epoch)

    def of(self, rows: Sequence[PhotoRow], epoch: int) -> Batch:
        """Return these rows as a batch, with the captions of an epoch. Raises InputError where none can be read."""
        (read,) = PhotoStream(singles(rows), self.spec, len(rows)).in_order()
        captions = [self.caption_of(row, epoch) for row in read.rows]
        tokens = tokenise(self.tokenizer, captions)
        pixels = torch.from_numpy(read.pixels)
        return Batch(pixels, tokens, same_words(captions), self.spec, captions, read.unreadable)


def captions_of_facts(facts: Mapping[Path, CaptionFacts], style: CaptionStyle, seed: int) -> CaptionOf:
    """Return what writes the captions of a style, from what is known of each photograph by its complete path."""
    return lambda row, epoch: caption(row, facts.get(row.path, NOTHING_MORE), style, seed, epoch)


def tokenise(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> torch.Tensor:
    """Return token ids and attention mask (N, 2, T), padded to the longest caption."""
    found = tokenizer(list(captions), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
    return torch.stack([found["input_ids"], found["attention_mask"]], dim=1)


def read_ahead(make: Callable[[int], Batch], first: int, last: int) -> Iterator[tuple[int, Batch]]:
    """Yield the numbered batches from ``first`` up to ``last``; the next one is made while one is trained on."""
    if first >= last:
        return
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(make, first)
        for step in range(first, last):
            batch = coming.result()
            if step + 1 < last:
                coming = pool.submit(make, step + 1)
            yield step, batch
