"""When to stop: the best epoch by the error on the validation split, and how long since. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass
class BestEpoch:
    """Keeps the trainable weights of the epoch of the least validation error.

    After ``patience`` epochs without a better one it is exhausted; a patience of 0 never stops early.
    """

    patience: int = 0
    error_km: float = float("inf")
    epochs_since: int = 0
    weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def offer(self, model: nn.Module, error_km: float) -> bool:
        """Take note of an epoch; return whether it is the best so far."""
        self.epochs_since += 1
        if error_km >= self.error_km:
            return False
        self.error_km, self.epochs_since = error_km, 0
        trained = ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)
        self.weights = {name: weight.detach().clone() for name, weight in trained}
        return True

    @property
    def exhausted(self) -> bool:
        """Whether waiting longer is in vain."""
        return 0 < self.patience <= self.epochs_since

    def restore(self, model: nn.Module) -> None:
        """Put the best weights back into the model that they came from."""
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if name in self.weights:
                    weight.copy_(self.weights[name])
