"""A fake that ships, so that tests need no download: a tiny CLIP model in the format of the originals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_training.model.clip_folder import Clip, save_clip

TINY_SIZE_PX = 32
_WORD_END = "</w>"
_MERGES = (("i", "n"), ("t", "h"), ("th", "e"), ("o", "f"), ("p", "h"), ("ph", "o"), ("t", "o"), ("pho", "to"))


def write_tiny_clip(folder: Path, seed: int = 7, projection: int = 16) -> Path:
    """Write a CLIP model with random weights, biases and norms included, and a tokenizer of bytes; return the folder.

    Images are of 32 px, embeddings of ``projection``; the logit scale is CLIP's initial one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = byte_tokenizer(folder)
    torch.manual_seed(seed)
    model = CLIPModel(_config(tokenizer, projection))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * (0.05 if weight.ndim else 0.0))
    save_clip(folder, Clip(model.eval(), tokenizer, PreprocessSpec(TINY_SIZE_PX)))
    return folder


def _config(tokenizer: CLIPTokenizer, projection: int) -> CLIPConfig:
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {**shape, **special, "pad_token_id": tokenizer.pad_token_id, "vocab_size": len(tokenizer)}
    vision = {**shape, "image_size": TINY_SIZE_PX, "patch_size": 8}
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=projection)


def byte_tokenizer(folder: Path, merges: Sequence[tuple[str, str]] = _MERGES) -> CLIPTokenizer:
    """Return a byte-level BPE tokenizer as CLIP's is: every byte, within a word and at its end, and merges."""
    alphabet = sorted(ByteLevel.alphabet())
    merged = [first + second for first, second in merges]
    tokens = [*alphabet, *(byte + _WORD_END for byte in alphabet), *merged, "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{first} {second}" for first, second in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return CLIPTokenizer.from_pretrained(folder)
