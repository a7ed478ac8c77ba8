"""Attribution: the patch that alone decides is the hottest, nothing that matters is even, a photograph's own alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.errors import InputError, UsageError
from pigeon_edge.testing import FakeEncoder
from pigeon_training.model.geocell_model import GeocellModel, Heads, geocell_model
from pigeon_training.study.explanation.attribution import attention_attribution, log_odds, occlusion_attribution


def new_model(attention="eager", cells=4, image_px=30, layers=2):
    """Return a small model with random weights; its 3 x 3 patches fill 24 of 30 px."""
    torch.manual_seed(3)
    config = CLIPVisionConfig(
        image_size=image_px, patch_size=8, hidden_size=32, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=48, attn_implementation=attention,
    )  # fmt: skip
    model = GeocellModel(CLIPVisionModel(config), Heads(32, {"cells": cells})).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return model


def deaf(model):
    """Return a model whose attention carries nothing: every value is zero."""
    with torch.no_grad():
        for name, weight in model.tower.named_parameters():
            if "v_proj" in name:
                weight.zero_()
    return model


def lone_patch_model():
    """Return a model of one layer: a patch of brightness b has the value b, and the only head raises cell 0 by it."""
    model = new_model(cells=2, image_px=24, layers=1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        weights = dict(model.named_parameters())

        def named(ending):
            (found,) = (weight for name, weight in weights.items() if name.endswith(ending))
            return found

        for ending in ("pre_layrnorm.weight", "layer_norm1.weight", "layer_norm2.weight"):
            named(ending).fill_(1.0)
        named("patch_embedding.weight")[0] = 1.0  # the first channel of a token is its patch's brightness
        named("v_proj.weight")[0, 0] = 1.0
        named("out_proj.weight")[1, 0] = 1.0  # attention writes the second channel, which cell 0 reads
        model.heads["cells"].weight[0, 1] = 1.0
    return model


@pytest.mark.parametrize("place", [(0, 0), (1, 2), (2, 1)])
def test_the_only_patch_that_decides_has_all_the_attention(place):
    images = torch.zeros(1, 3, 24, 24)
    images[0, :, 8 * place[0] : 8 * place[0] + 8, 8 * place[1] : 8 * place[1] + 8] = 1.0
    model = lone_patch_model()
    with torch.inference_mode():
        assert log_odds(model(images)[1]["cells"], torch.tensor([0])) > log_odds(
            model(0 * images)[1]["cells"], torch.tensor([0])
        )
    (shares,) = attention_attribution(model, images, torch.tensor([0]))
    assert np.unravel_index(shares.argmax(), shares.shape) == place
    assert shares[place] == pytest.approx(1.0, abs=1e-5)
    (against,) = attention_attribution(model, images, torch.tensor([1]))
    assert against[place] == against.min()


def test_shares_are_even_where_attention_carries_nothing():
    (shares,) = attention_attribution(deaf(new_model()), torch.randn(1, 3, 30, 30), torch.tensor([2]))
    np.testing.assert_allclose(shares, np.full((3, 3), 1 / 9), rtol=1e-6)


@pytest.mark.parametrize("image_px", [16, 30, 32])
def test_shares_are_of_the_patches_and_add_up_to_one(image_px):
    images = torch.randn(3, 3, image_px, image_px)
    shares = attention_attribution(new_model(image_px=image_px), images, torch.tensor([0, 1, 3]))
    assert shares.shape == (3, image_px // 8, image_px // 8)
    assert shares.dtype == np.float32
    assert shares.min() >= 0
    np.testing.assert_allclose(shares.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_an_image_has_the_same_shares_alone_and_in_a_batch():
    model, images, cells = new_model(), torch.randn(4, 3, 30, 30), torch.tensor([0, 1, 2, 3])
    together = attention_attribution(model, images, cells)
    for number in range(4):
        alone = attention_attribution(model, images[number : number + 1], cells[number : number + 1])
        np.testing.assert_allclose(alone[0], together[number], atol=1e-6)
    assert not np.allclose(together[0], together[1], atol=1e-3)


def test_shares_do_not_depend_on_what_all_cells_have_in_common():
    model, images, cell = new_model(), torch.randn(1, 3, 30, 30), torch.tensor([1])
    before = attention_attribution(model, images, cell)
    with torch.no_grad():
        model.heads["cells"].weight.add_(torch.randn(1, 32))
        model.heads["cells"].bias.add_(5.0)
    np.testing.assert_allclose(attention_attribution(model, images, cell), before, atol=1e-4)


def test_frozen_weights_can_be_explained():
    model = new_model().requires_grad_(requires_grad=False)
    (shares,) = attention_attribution(model, torch.randn(1, 3, 30, 30), torch.tensor([0]))
    assert shares.max() > 1.5 / 9


def test_fused_attention_and_a_single_cell_are_refused():
    images, cell = torch.randn(1, 3, 30, 30), torch.tensor([0])
    with pytest.raises(UsageError, match="attn_implementation"):
        attention_attribution(new_model("sdpa"), images, cell)
    with pytest.raises(InputError, match="expected a model of 2 cells or more, found 1"):
        attention_attribution(new_model(cells=1), images, cell)


def test_heads_of_another_tower_are_refused():
    with pytest.raises(InputError, match=r"expected cells\.weight \(C, 32\) and cells\.bias \(C,\), found \(4, 16\)"):
        geocell_model(new_model().tower, np.zeros((4, 16), np.float32), np.zeros(4, np.float32))


def test_log_odds_are_those_of_the_softmax_also_of_a_certain_cell():
    logits = torch.tensor([[1.0, 2.0, 0.5], [80.0, 0.0, 0.0]])
    chance = float(logits[0].softmax(0)[1])
    assert log_odds(logits, torch.tensor([1, 0])).tolist() == pytest.approx(
        [np.log(chance / (1 - chance)), 80 - np.log(2)]
    )


@pytest.mark.parametrize("place", [(0, 0), (3, 1), (7, 7)])
def test_the_only_square_of_a_colour_speaks_for_its_cell(place):
    pixels = np.full((16, 16, 3), 100, np.uint8)
    pixels[2 * place[0] : 2 * place[0] + 2, 2 * place[1] : 2 * place[1] + 2] = (250, 20, 20)
    shares = occlusion_attribution(FakeEncoder(), pixels, 0)
    assert np.unravel_index(shares.argmax(), shares.shape) == place
    assert shares[place] > 0.9
    assert shares.sum() == pytest.approx(1.0, abs=1e-5)
    assert occlusion_attribution(FakeEncoder(), pixels, 2)[place] == 0.0


def test_squares_of_one_colour_are_even():
    shares = occlusion_attribution(FakeEncoder(), np.full((20, 20, 3), 90, np.uint8), 1)
    np.testing.assert_allclose(shares, np.full((8, 8), 1 / 64), rtol=1e-6)


def test_occlusion_encodes_every_square_once_in_bounded_batches():
    sizes = []

    class Counting:
        def encode(self, pixels):
            sizes.append(len(pixels))
            return Encoding(np.zeros((len(pixels), 2), np.float32), np.zeros((len(pixels), 2), np.float32))

    occlusion_attribution(Counting(), np.zeros((10, 10, 3), np.uint8), 0, squares=5)
    assert sizes == [16, 10]
