"""Byte pairs that make whole words of frequent letters: the vocabulary of a small CLIP model, the same every time.

The library's own trainer breaks ties in an order that changes from run to run, and with it the numbers of every token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from transformers import CLIPTokenizer

WORD_END = "</w>"

Pair = tuple[str, str]
Symbols = tuple[str, ...]


def words_of(tokenizer: CLIPTokenizer, sentences: Sequence[str]) -> Counter[str]:
    """Return how often each word occurs, cut and written in bytes as a tokenizer does it."""
    backend = tokenizer.backend_tokenizer
    counts: Counter[str] = Counter()
    for sentence in sentences:
        pieces = backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(sentence))
        counts.update(piece for piece, _ in pieces)
    return counts


def byte_pairs(words: Mapping[str, int], most: int) -> list[Pair]:
    """Return up to ``most`` merges (Sennrich et al. 2016), each of the most frequent pair, of equals the last."""
    spelt = {word: (*word[:-1], word[-1] + WORD_END) for word in words}
    merges: list[Pair] = []
    while len(merges) < most:
        pairs: Counter[Pair] = Counter()
        for word, symbols in spelt.items():
            for pair in pairwise(symbols):
                pairs[pair] += words[word]
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        spelt = {word: _merged(symbols, best) for word, symbols in spelt.items()}
    return merges


def _merged(symbols: Symbols, pair: Pair) -> Symbols:
    """Return symbols with every occurrence of a pair joined, from the left."""
    joined: list[str] = []
    place = 0
    while place < len(symbols):
        if symbols[place : place + 2] == pair:
            joined.append(pair[0] + pair[1])
            place += 2
        else:
            joined.append(symbols[place])
            place += 1
    return tuple(joined)
