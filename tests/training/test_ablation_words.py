"""The vocabulary of the ablation's base tower: merges by frequency, words whole, the same every time."""

from __future__ import annotations

from collections import Counter

import pytest

from pigeon_training.study.ablation.words import byte_pairs, words_of
from pigeon_training.testing import byte_tokenizer


@pytest.fixture
def plain(tmp_path):
    return byte_tokenizer(tmp_path)


def test_words_are_cut_as_the_tokenizer_cuts_them(plain):
    assert words_of(plain, ["Red  roofs, red trees.", "Ärger"]) == Counter(
        {"red": 2, "roofs": 1, ",": 1, "trees": 1, ".": 1, "Ã¤rger": 1}
    )


def test_most_frequent_pair_is_merged_first_and_ties_have_an_order():
    assert byte_pairs({"ab": 3, "cd": 1, "ce": 1}, 9) == [("a", "b</w>"), ("c", "e</w>"), ("c", "d</w>")]
    assert byte_pairs({"aab": 2}, 9) == [("a", "b</w>"), ("a", "ab</w>")]
    assert byte_pairs({"ab": 3, "cd": 1}, 1) == [("a", "b</w>")]


def test_frequent_words_become_one_token_and_others_stay_spelt(plain, tmp_path):
    words = words_of(plain, ["a photo of a street with fir trees"] * 5 + ["zebra"])
    (tmp_path / "trained").mkdir()
    tokenizer = byte_tokenizer(tmp_path / "trained", byte_pairs(words, 18))
    assert tokenizer.tokenize("street with trees") == ["street</w>", "with</w>", "trees</w>"]
    assert len(tokenizer.tokenize("zebra")) > 1
    assert tokenizer.decode(tokenizer("zebra street")["input_ids"], skip_special_tokens=True) == "zebra street"


def test_same_words_in_another_order_give_the_same_merges():
    words = {"trees": 4, "roofs": 4, "poles": 4, "hills": 4, "street": 9}
    assert byte_pairs(words, 30) == byte_pairs(dict(reversed(words.items())), 30)
