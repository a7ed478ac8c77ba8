"""The batch accuracy probe: among photographs that were held out, how many find their own caption, and the reverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from pigeon_edge.manifest import PhotoRow
from pigeon_training.learning.contrast.batches import Batches
from pigeon_training.learning.contrast.pretrain import image_embedding, text_embedding
from pigeon_training.model.clip_folder import Clip


@dataclass(frozen=True)
class Probe:
    """Shares (0..1) of N photographs whose best caption, and of captions whose best photograph, is theirs.

    A caption of the same words counts as theirs. ``distinct`` captions: guessing reaches about one in as many.
    ``unreadable`` has the reasons of photographs that could not be read and are none of the N.
    """

    photographs: int
    distinct: int
    image_to_text: float
    text_to_image: float
    unreadable: tuple[str, ...]


def probe(clip: Clip, batches: Batches, rows: Sequence[PhotoRow], chunk: int) -> Probe:
    """Compare all rows with the captions that they have in the first epoch."""
    batch = batches.of(rows, 0)
    with torch.inference_mode():
        images = [image_embedding(clip.model, part, batch.spec) for part in batch.pixels.split(chunk)]
        texts = [text_embedding(clip.model, part) for part in batch.tokens.split(chunk)]
        image, text = (functional.normalize(torch.cat(side).float(), dim=1).cpu() for side in (images, texts))
    cosine = image @ text.T  # (N, N)
    row = torch.arange(len(cosine))
    found = [batch.twins[row, cosine.argmax(dim=1)], batch.twins[cosine.argmax(dim=0), row]]
    forth, back = (round(float(right.float().mean()), 4) for right in found)
    reasons = tuple(bad.reason for bad in batch.unreadable)
    return Probe(len(batch.captions), len(set(batch.captions)), forth, back, reasons)
