"""Fifty steps of fine-tuning in bfloat16 learn what fifty in float32 do."""

from __future__ import annotations

import pytest
import torch

from pigeon_training.matrix_precision import matrix_precision
from pigeon_training.model.geocell_model import new_tower
from pigeon_training.presets import TOY_FULL

STEPS, BATCH, CLASSES = 50, 64, 16


@pytest.mark.parametrize("asked", [True, False], ids=["bfloat16", "float32"])
def test_fifty_steps_bring_the_loss_down(torch_gpu, asked):
    losses = _losses(torch_gpu, bfloat16=asked)
    assert losses[-1] < 0.5 * losses[0]


def test_bfloat16_learns_what_float32_learns(torch_gpu):
    if matrix_precision(torch_gpu, bfloat16=True) is not torch.bfloat16:
        pytest.skip("this GPU does not multiply in bfloat16")
    half, full = (_losses(torch_gpu, bfloat16=asked) for asked in (True, False))
    assert half[0] == pytest.approx(full[0], rel=0.02)
    assert sum(half) == pytest.approx(sum(full), rel=0.1)


def _losses(device: torch.device, *, bfloat16: bool) -> list[float]:
    """Return the loss of each step on pictures whose colour is their class."""
    torch.manual_seed(0)
    tower = new_tower(TOY_FULL.tower).to(device)
    head = torch.nn.Linear(TOY_FULL.tower.width, CLASSES).to(device)
    optimiser = torch.optim.AdamW([*tower.parameters(), *head.parameters()], lr=1e-3)
    colours = torch.randn(CLASSES, 3, 1, 1, device=device)
    losses = []
    for _ in range(STEPS):
        target = torch.randint(CLASSES, (BATCH,), device=device)
        images = colours[target] + 0.3 * torch.randn(BATCH, 3, 96, 96, device=device)
        half = matrix_precision(device, bfloat16=bfloat16) is torch.bfloat16
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            embedding = tower(pixel_values=images).last_hidden_state.mean(dim=1)
        loss = torch.nn.functional.cross_entropy(head(embedding.float()), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses
