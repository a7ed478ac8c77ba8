"""What of a model is trained. All else is frozen: without gradients, hence without activations kept for them."""

from __future__ import annotations

from enum import Enum

from pigeon_training.model.geocell_model import GeocellModel


class Scope(str, Enum):
    """The tower's last block or all of it, and the heads in any case."""

    LAST_BLOCK = "last"
    ALL = "all"


def train_only(model: GeocellModel, scope: Scope) -> None:
    """Let only the weights of a scope have gradients.

    Autograd records nothing of what comes before the first weight with a gradient, so that the frozen blocks are
    computed as under ``no_grad``. The last layer norm of CLIP's tower is never trained: embeddings do not go through.
    """
    model.requires_grad_(False)
    if scope is Scope.ALL:
        model.tower.requires_grad_(True)
        model.tower.post_layernorm.requires_grad_(False)
    else:
        model.tower.encoder.layers[-1].requires_grad_(True)
    model.heads.requires_grad_(True)
