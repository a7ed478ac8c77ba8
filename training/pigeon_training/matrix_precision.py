"""Whether a device multiplies in bfloat16, so that asking for it saves time and does not cost it."""

from __future__ import annotations

import torch

from pigeon_edge.system.instructions import bfloat16_instructions


def multiplies_in_bfloat16(device: torch.device) -> bool:
    """Tell whether a processor or GPU has instructions for bfloat16; PyTorch emulates them where it has none."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bfloat16_instructions() is not None


def matrix_precision(device: torch.device, *, bfloat16: bool) -> torch.dtype:
    """Return what a tower's matrix products are taken in: bfloat16 where it is asked for and the device has it."""
    return torch.bfloat16 if bfloat16 and multiplies_in_bfloat16(device) else torch.float32
