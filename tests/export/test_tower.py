"""Towers, heads and image processors as they lie in folders."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig

from pigeon_edge.errors import InputError
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_export.graph.to_onnx import load_tower, read_heads, read_spec


@pytest.fixture
def tower_folder(tmp_path, make_tower):
    make_tower().save_pretrained(tmp_path / "tower")
    return tmp_path / "tower"


def test_vision_only_folder_loads(tower_folder, make_tower):
    found, expected = load_tower(str(tower_folder)).state_dict(), make_tower().state_dict()
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())


def test_full_clip_folder_gives_its_vision_tower(tmp_path, vision_config, capfd):
    text = CLIPTextConfig(
        hidden_size=16, num_attention_heads=2, intermediate_size=16, num_hidden_layers=1,
        vocab_size=50, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(1)
    clip = CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision_config().to_dict()))
    clip.save_pretrained(tmp_path / "clip")
    capfd.readouterr()
    tower = load_tower(str(tmp_path / "clip"))
    pixels = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        expected = clip.eval().vision_model(pixel_values=pixels).last_hidden_state
        assert torch.equal(tower(pixel_values=pixels).last_hidden_state, expected)
    assert capfd.readouterr() == ("", "")


def test_half_precision_folder_becomes_float32(tmp_path, make_tower):
    make_tower().half().save_pretrained(tmp_path)
    assert {weight.dtype for weight in load_tower(str(tmp_path)).parameters()} == {torch.float32}


def test_other_model_is_refused_by_name(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(InputError, match=r"expected a CLIP model with a vision tower, found 'bert'"):
        load_tower(str(tmp_path))


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: expected a CLIP folder or hub id"):
        load_tower(str(tmp_path / "nowhere"))


def test_folder_without_weights_is_refused(tower_folder):
    (tower_folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no file named model.safetensors"):
        load_tower(str(tower_folder))


def test_broken_weights_are_refused(tower_folder):
    (tower_folder / "model.safetensors").write_bytes(b"not weights" * 9)
    with pytest.raises(InputError, match=r"that transformers can load"):
        load_tower(str(tower_folder))


def test_weights_that_lack_a_part_are_refused(tower_folder):
    from safetensors.numpy import load_file

    weights = load_file(tower_folder / "model.safetensors")
    del weights["pre_layrnorm.bias"]
    save_file(weights, tower_folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"the weights lack pre_layrnorm.bias"):
        load_tower(str(tower_folder))


@pytest.mark.parametrize("sizes", [
    {"size": 32, "crop_size": 32},
    {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
    {"size": {"height": 32, "width": 32}},
])  # fmt: skip
def test_spec_is_read_in_each_spelling(sizes, tower_folder, make_tower):
    settings = sizes | {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.1]}
    (tower_folder / "preprocessor_config.json").write_text(json.dumps(settings))
    expected = PreprocessSpec(32, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    assert read_spec(str(tower_folder), make_tower()) == expected


def test_spec_is_read_from_a_nested_processor(tower_folder, make_tower):
    document = {"image_processor": {"size": 32, "image_mean": [0.5] * 3}, "processor_class": "CLIPProcessor"}
    (tower_folder / "processor_config.json").write_text(json.dumps(document))
    assert read_spec(str(tower_folder), make_tower()).mean == (0.5, 0.5, 0.5)


def test_processor_config_without_an_image_processor_gives_way(tower_folder, make_tower):
    (tower_folder / "processor_config.json").write_text(json.dumps({"processor_class": "CLIPProcessor"}))
    (tower_folder / "preprocessor_config.json").write_text(json.dumps({"size": 32, "image_std": [0.5] * 3}))
    assert read_spec(str(tower_folder), make_tower()).std == (0.5, 0.5, 0.5)


def test_spec_without_a_processor_is_clips_own(tower_folder, make_tower):
    assert read_spec(str(tower_folder), make_tower()) == PreprocessSpec(32)


@pytest.mark.parametrize(("settings", "reason"), [
    ({"size": 40, "crop_size": 32}, "a resize to 40 and a crop of 32"),
    ({"size": 64, "crop_size": 64}, "the tower's 32 px"),
    ({"size": {"height": 32, "width": 64}}, "one square size"),
    ({"image_mean": [0.5] * 3}, "one square size, found None"),
])  # fmt: skip
def test_spec_that_cannot_be_expressed_is_refused(settings, reason, tower_folder, make_tower):
    (tower_folder / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match=reason):
        read_spec(str(tower_folder), make_tower())


def test_broken_processor_is_refused(tower_folder, make_tower):
    (tower_folder / "preprocessor_config.json").write_text("{")
    with pytest.raises(InputError, match=r"expected a JSON object in preprocessor_config.json"):
        read_spec(str(tower_folder), make_tower())


def test_heads_are_read_where_present(tmp_path, make_heads):
    assert read_heads(tmp_path) is None
    heads = make_heads()
    save_file(heads | {"climate.weight": np.ones((3, 48), np.float32)}, tmp_path / "heads.safetensors")
    found = read_heads(tmp_path)
    assert found is not None
    np.testing.assert_array_equal(found["cells.weight"], heads["cells.weight"])


def test_heads_without_cells_are_refused(tmp_path):
    save_file({"cells.weight": np.ones((2, 4), np.float32)}, tmp_path / "heads.safetensors")
    with pytest.raises(InputError, match=r"expected cells.weight and cells.bias, found \['cells.weight'\]"):
        read_heads(tmp_path)


def test_broken_heads_are_refused(tmp_path):
    (tmp_path / "heads.safetensors").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"expected the heads of a model in safetensors format"):
        read_heads(tmp_path)


def changed_config(folder, **settings):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


@pytest.mark.parametrize(("settings", "reason"), [
    ({"hidden_size": 60}, r"weights of other shapes than its config.json says; save the model again"),
    ({"patch_size": 16}, r"weights of other shapes than its config.json says"),
    ({"num_channels": 1}, r"weights of other shapes than its config.json says"),
    ({"num_hidden_layers": 3}, r"the weights lack encoder.layers.2"),
    ({"num_attention_heads": 7}, r"not a multiple of the number of attention heads \(7\); copy or save"),
    ({"model_type": "clip_text_model"}, r"with a vision tower, found 'clip_text_model'; name another"),
    ({"model_type": "siglip_vision_model"}, r"with a vision tower, found 'siglip_vision_model'; name another"),
])  # fmt: skip
def test_config_that_is_not_of_its_weights_is_refused(settings, reason, tower_folder):
    changed_config(tower_folder, **settings)
    with pytest.raises(InputError, match=reason):
        load_tower(str(tower_folder))


def test_torn_weights_are_refused(tower_folder):
    weights = tower_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(InputError, match=r"file not fully covered; copy or save the model again"):
        load_tower(str(tower_folder))


def test_file_in_place_of_its_folder_is_refused(tower_folder):
    with pytest.raises(InputError, match=r"config.json: expected .* found a file; give the folder that it lies in"):
        load_tower(str(tower_folder / "config.json"))


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"save_pretrained wrote, found no config.json in it; give another folder"):
        load_tower(str(tmp_path))


def test_hub_out_of_reach_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"in the cached files; fetch it where there is a network and give its folder"):
        load_tower("nobody/no-such-model")
