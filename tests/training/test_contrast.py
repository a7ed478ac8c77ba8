"""Pre-training: exact gradients on CLIP itself, a schedule, checkpoints that go on exactly, and a model folder."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from pigeon_edge.errors import InputError, PartialFailureError, UsageError
from pigeon_training.cli import app
from pigeon_training.data.dataset import Split, read_split
from pigeon_training.data.manifests.table import read_table, with_columns, write_table
from pigeon_training.learning.contrast import pretrain_tower as stage
from pigeon_training.learning.contrast.batches import Batches, captions_of_facts, tokenise
from pigeon_training.learning.contrast.captions import CaptionStyle
from pigeon_training.learning.contrast.pretrain import PRETRAIN_PRESETS, backward, learning_rate
from pigeon_training.learning.contrast.pretrain_tower import pretrain_manifest
from pigeon_training.learning.contrast.probe import probe
from pigeon_training.model import clip_folder
from pigeon_training.model.clip_folder import load_clip, load_tower, load_towers
from pigeon_training.testing import write_tiny_clip

SETTINGS = replace(
    PRETRAIN_PRESETS[CaptionStyle.PIGEON], learning_rate=1e-3, batch=12, chunk=5, steps=6, checkpoint_every=2
)


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    return write_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def manifest(rows_of, album):
    rows = [
        row
        for number, country in enumerate(("Aland", "Bland", "Cland", "Dland"))
        for row in rows_of(f"R{number}", 10, 10.0 * number, 20.0, country=country)
    ]
    return album([replace(row, month=n % 12 + 1, heading_deg=n * 31.0 % 360) for n, row in enumerate(rows)])


@pytest.fixture
def batches(tiny_clip, manifest):
    clip = load_clip(str(tiny_clip))
    rows = read_split(manifest, Split.TRAIN)
    return Batches(rows, captions_of_facts({}, CaptionStyle.PIGEON, 330), clip.tokenizer, clip.spec, 12, 330)


def weights_of(folder):
    return load_clip(str(folder)).model.state_dict()


def test_gradients_of_both_towers_do_not_depend_on_the_chunk(tiny_clip, batches):
    gradients = []
    for chunk in (12, 5):
        model = load_clip(str(tiny_clip)).model
        backward(model, batches.at(0), chunk)
        gradients.append({name: weight.grad for name, weight in model.named_parameters()})
    assert all(gradient is not None for gradient in gradients[0].values())
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-3, atol=2e-6, msg=name)


def test_embeddings_are_those_of_transformers(tiny_clip, batches):
    from pigeon_training.learning.contrast.pretrain import image_embedding, text_embedding

    model, batch = load_clip(str(tiny_clip)).model, batches.at(0)
    with torch.inference_mode():
        image = image_embedding(model, batch.pixels, batch.spec)
        text = text_embedding(model, batch.tokens)
        planes = (batch.pixels.permute(0, 3, 1, 2) / 255 - torch.tensor(batch.spec.mean).view(3, 1, 1)) / torch.tensor(
            batch.spec.std
        ).view(3, 1, 1)
        ids, mask = batch.tokens.unbind(1)
        found = model(input_ids=ids, attention_mask=mask, pixel_values=planes)
    cosine = torch.nn.functional.normalize(image, dim=1) @ torch.nn.functional.normalize(text, dim=1).T
    torch.testing.assert_close(cosine * model.logit_scale.exp(), found.logits_per_image, rtol=1e-4, atol=1e-4)


def test_padding_does_not_change_an_embedding(tiny_clip):
    from pigeon_training.learning.contrast.pretrain import text_embedding

    clip = load_clip(str(tiny_clip))
    short, long = "A photo.", "A photo of a much longer caption than the other one."
    with torch.inference_mode():
        alone = text_embedding(clip.model, tokenise(clip.tokenizer, [short]))
        padded = text_embedding(clip.model, tokenise(clip.tokenizer, [short, long]))[:1]
    torch.testing.assert_close(alone, padded, rtol=1e-4, atol=1e-5)


def test_epochs_show_every_photograph_once_and_are_ordered_by_seed(batches):
    per_epoch = len(batches.rows) // 12
    seen = [batches.at(step).pixels.flatten(1).sum(1).tolist() for step in range(per_epoch)]
    assert per_epoch >= 2
    assert len({total for batch in seen for total in batch}) == per_epoch * 12
    assert torch.equal(batches.at(1).pixels, batches.at(1).pixels)
    assert not torch.equal(batches.at(0).tokens, replace(batches, seed=1).at(0).tokens)


def test_rate_rises_over_the_warm_up_and_falls_to_almost_nothing():
    settings = replace(SETTINGS, steps=10, warmup=0.2, learning_rate=1.0)
    rates = [learning_rate(settings, step) for step in range(10)]
    assert rates[:3] == [0.5, 1.0, pytest.approx(8 / 9)]
    assert rates[-1] == pytest.approx(1 / 9)
    assert rates[1:] == sorted(rates[1:], reverse=True)


def test_training_learns_to_tell_captions_apart(tiny_clip, manifest, tmp_path):
    settings = replace(SETTINGS, style=CaptionStyle.STREETCLIP, steps=40, batch=32, chunk=16)
    pretrain_manifest(str(tiny_clip), manifest, tmp_path / "out", settings, lambda _: None, resume=False)
    lines = (tmp_path / "out" / "log.csv").read_text().splitlines()
    losses = [float(row["loss"]) for row in csv.DictReader(lines)]
    assert len(losses) == 40
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_interrupted_run_that_goes_on_gives_the_same_weights(tiny_clip, manifest, tmp_path, monkeypatch):
    silent = lambda _: None  # noqa: E731
    pretrain_manifest(str(tiny_clip), manifest, tmp_path / "whole", SETTINGS, silent, resume=False)

    def interrupted(make, first, last):
        for step in range(first, last):
            if step == 5:
                raise KeyboardInterrupt
            yield step, make(step)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "read_ahead", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pretrain_manifest(str(tiny_clip), manifest, tmp_path / "parts", SETTINGS, silent, resume=False)
    assert not (tmp_path / "parts").exists()
    with pytest.raises(UsageError, match=r"parts\.run: an unfinished run; go on with --resume"):
        pretrain_manifest(str(tiny_clip), manifest, tmp_path / "parts", SETTINGS, silent, resume=False)
    longer = replace(SETTINGS, steps=7)
    with pytest.raises(UsageError, match="a run with steps 6, not 7"):
        pretrain_manifest(str(tiny_clip), manifest, tmp_path / "parts", longer, silent, resume=True)
    pretrain_manifest(str(tiny_clip), manifest, tmp_path / "parts", SETTINGS, silent, resume=True)

    expected, found = weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts")
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
    assert not torch.equal(found["logit_scale"], weights_of(tiny_clip)["logit_scale"])
    logs = [(tmp_path / name / "log.csv").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]
    reports = [json.loads((tmp_path / name / "pretrain.json").read_text()) for name in ("whole", "parts")]
    assert reports[0] == reports[1]
    assert not (tmp_path / "parts.run").exists()


def test_resuming_nothing_is_refused(tiny_clip, manifest, tmp_path):
    with pytest.raises(InputError, match="expected the checkpoint of a run to resume, found none"):
        pretrain_manifest(str(tiny_clip), manifest, tmp_path / "out", SETTINGS, print, resume=True)


def test_broken_checkpoint_is_refused(tiny_clip, manifest, tmp_path):
    (tmp_path / "out.run").mkdir()
    (tmp_path / "out.run" / "checkpoint.safetensors").write_bytes(b"junk")
    with pytest.raises(InputError, match="expected a checkpoint of pre-training"):
        pretrain_manifest(str(tiny_clip), manifest, tmp_path / "out", SETTINGS, print, resume=True)


def test_logit_scale_stays_under_a_hundred(tiny_clip, manifest, tmp_path):
    clip = load_clip(str(tiny_clip))
    with torch.no_grad():
        clip.model.logit_scale.fill_(9.0)
    clip.model.save_pretrained(tmp_path / "hot")
    clip.tokenizer.save_pretrained(tmp_path / "hot")
    settings = replace(SETTINGS, steps=1)
    pretrain_manifest(str(tmp_path / "hot"), manifest, tmp_path / "out", settings, lambda _: None, resume=False)
    assert float(weights_of(tmp_path / "out")["logit_scale"].exp()) == pytest.approx(100.0)


def test_probe_counts_captions_of_the_same_words_as_found(tiny_clip, batches):
    nameless = [replace(row, country="", month=None, heading_deg=None) for row in batches.rows]
    found = probe(load_clip(str(tiny_clip)), batches, nameless, 8)
    assert (found.distinct, found.image_to_text, found.text_to_image) == (1, 1.0, 1.0)
    named = probe(load_clip(str(tiny_clip)), batches, batches.rows, 8)
    assert named.distinct > 4
    assert named.image_to_text < 0.5


def test_model_without_a_tokenizer_is_refused(tiny_clip, tmp_path):
    load_clip(str(tiny_clip)).model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="tokenizer"):
        load_clip(str(tmp_path))


def test_vision_tower_alone_is_refused(tiny_clip, tmp_path):
    load_clip(str(tiny_clip)).model.vision_model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="expected a CLIP model with both towers, found 'clip_vision_model'"):
        load_clip(str(tmp_path))


def test_command_writes_a_model_that_loads_again(tiny_clip, manifest, tmp_path):
    arguments = ["pretrain", tiny_clip, "--manifest", manifest, "--captions", "pigeotto", "--out", tmp_path / "out"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--batch", "8", "--chunk", "4", "--steps", "2"])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "config.json", "log.csv", "model.safetensors", "preprocessor_config.json", "pretrain.json",
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    assert load_clip(str(tmp_path / "out")).spec.size_px == 32
    report = json.loads((tmp_path / "out" / "pretrain.json").read_text())
    assert (report["style"], report["learning_rate"], report["steps"]) == ("pigeotto", 5e-7, 2)


def test_parquet_manifest_trains_as_its_csv_does(tiny_clip, manifest, tmp_path):
    table = read_table(manifest)
    told = with_columns(table, {"climate": ["Cfb", "Af"] * (table.num_rows // 2)})
    reports = []
    for name in ("told.csv", "told.parquet"):
        write_table(manifest.parent / name, told)
        settings = replace(SETTINGS, steps=2)
        pretrain_manifest(str(tiny_clip), manifest.parent / name, tmp_path / name, settings, print, resume=False)
        reports.append(json.loads((tmp_path / name / "pretrain.json").read_text()))
    assert reports[0].pop("manifest_sha256") != reports[1].pop("manifest_sha256")
    assert reports[0] == reports[1]
    assert all(torch.equal(weight, weights_of(tmp_path / "told.parquet")[name])
               for name, weight in weights_of(tmp_path / "told.csv").items())  # fmt: skip


def test_torn_photographs_are_left_out_of_batches_and_probe_and_counted(tiny_clip, manifest, tmp_path):
    train, held_out = read_split(manifest, Split.TRAIN), stage._held_out(manifest)
    for row in (train[1], held_out[0]):
        row.path.write_bytes(b"torn")
    settings = replace(SETTINGS, steps=1, batch=len(train), chunk=16)
    with pytest.raises(PartialFailureError, match=r"out is written; 2 photographs could not be read .* expected an im"):
        pretrain_manifest(str(tiny_clip), manifest, tmp_path / "out", settings, print, resume=False)
    report = json.loads((tmp_path / "out" / "pretrain.json").read_text())
    assert report["after"]["photographs"] == len(held_out) - 1
    assert [str(held_out[0].path) in reason for reason in report["after"]["unreadable"]] == [True]
    (logged,) = csv.DictReader((tmp_path / "out" / "log.csv").read_text().splitlines())
    assert logged["unreadable"] == "1"


def test_captions_of_a_batch_stay_with_their_photographs_where_one_is_torn(batches):
    rows = batches.rows[:6]
    whole = batches.of(rows, 0)
    rows[2].path.write_bytes(b"torn")
    torn = batches.of(rows, 0)
    kept = [0, 1, 3, 4, 5]
    assert [bad.row for bad in torn.unreadable] == [rows[2]]
    assert torn.captions == [whole.captions[place] for place in kept]
    assert torch.equal(torn.pixels, whole.pixels[kept])
    assert torch.equal(torn.twins, whole.twins[kept][:, kept])
    for row in rows:
        row.path.write_bytes(b"torn")
    with pytest.raises(InputError, match="none of 6 samples could be read"):
        batches.of(rows, 0)


@pytest.mark.parametrize(
    "name", ["nowhere", "./nowhere", "nowhere/", "a/b/c", "here/model", "~/nowhere-at-all", "/nowhere/model"]
)
def test_path_of_a_folder_that_is_not_there_is_refused_without_asking_the_hub(name, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(clip_folder.transformers.AutoConfig, "from_pretrained", lambda *_: pytest.fail("asked the hub"))
    for load in (load_clip, load_towers, load_tower):
        with pytest.raises(InputError, match="expected a CLIP folder or hub id, found no such folder; check the path"):
            load(name)


@pytest.mark.parametrize("name", ["openai/clip", "geolocal/StreetCLIP"])
def test_ids_of_the_hub_are_looked_up_there(name, tmp_path, monkeypatch):
    asked = []

    def not_found(model):
        asked.append(model)
        raise OSError("no such model on the hub")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(clip_folder.transformers.AutoConfig, "from_pretrained", not_found)
    for load in (load_clip, load_tower):
        with pytest.raises(InputError, match="no such model on the hub"):
            load(name)
    assert asked == [name, name]
