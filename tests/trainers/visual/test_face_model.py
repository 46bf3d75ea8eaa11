"""The recogniser and its loss: numbers worked out by hand, every backbone, reload."""

import math

import numpy as np
import pytest
import torch
from transformers import ViTConfig, ViTModel

from trainers.base.terms import token_kl
from trainers.visual.base import check_apart, labels_of, pace
from trainers.visual.face_model import (
    BACKBONES,
    FaceModel,
    Faces,
    build_face_model,
    margin_logits,
    right_log_probs,
)


def test_margin_loss_by_hand():
    """Right cosine .5 less .4 at scale 10: logits 1 and 2; -log(e / (e + e^2)) = log(1 + e)."""
    cosines = torch.tensor([[0.5, 0.2]])
    logits = margin_logits(cosines, torch.tensor([0]), 10.0, 0.4)
    assert right_log_probs(logits, torch.tensor([0])).tolist() == pytest.approx([-math.log(1 + math.e)])


def test_class_kl_by_hand():
    """From (1/2, 1/2) to (1/4, 3/4): log 2 - log 3 / 2."""
    before, now = torch.zeros(1, 2), torch.tensor([[0.0, math.log(3)]])
    assert token_kl(before, now).mean().item() == pytest.approx(math.log(2) - math.log(3) / 2)
    assert token_kl(now, now).mean().item() == pytest.approx(0.0, abs=1e-7)


def test_class_weights_are_normalised():
    """The reference forgets to: a longer class weight must not attract."""
    model = build_face_model("resnet-mini", ["a", "b"], 32).eval()
    photos = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        before = model(photos).cosines
        model.classes[0] *= 100
        assert torch.allclose(model(photos).cosines, before, atol=1e-6)
    assert before.abs().max() <= 1 + 1e-6


def test_schedule_is_the_references():
    """Of .02: .0105 at step 21, then .02 falling to .01."""
    assert 0.02 * pace(20, 160, 21) == pytest.approx(0.0105)
    assert 0.02 * pace(0, 160, 21) == pytest.approx(0.0005)
    assert 0.02 * pace(21, 160, 21) == pytest.approx(0.02)
    assert 0.02 * pace(160, 160, 21) == pytest.approx(0.01)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_it_comes_back_as_it_was(tmp_path, backbone):
    model = build_face_model(backbone, ["a", "b", "c"], 32, seed=3).eval()
    model.set_people(["d", "e"], seed=4)
    model.save_pretrained(tmp_path)
    again = FaceModel.from_pretrained(tmp_path).eval()
    photos = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model(photos).embedding, again(photos).embedding)
        assert torch.equal(model(photos).cosines, again(photos).cosines)
    assert again.config.people == ["d", "e"]
    assert model(photos).embedding.shape == (2, 512)


def test_any_vision_backbone_of_transformers(tmp_path):
    config = ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32)
    ViTModel(config).save_pretrained(tmp_path / "vit")
    model = build_face_model(str(tmp_path / "vit"), ["a"], 32)
    model.save_pretrained(tmp_path / "face")
    again = FaceModel.from_pretrained(tmp_path / "face").eval()
    photos = torch.rand(2, 3, 32, 32)
    assert torch.allclose(again(photos).embedding, model.eval()(photos).embedding, atol=1e-6)
    with pytest.raises(ValueError, match="does not turn photos of 48 pixels"):
        build_face_model(str(tmp_path / "vit"), ["a"], 48)


def test_an_unknown_backbone_is_named(tmp_path):
    with pytest.raises(ValueError, match="unknown backbone 'resnet-19': neither resnet-18, resnet-mini nor"):
        build_face_model("resnet-19", ["a"], 32)


def test_faces_keep_their_people():
    pixels = np.arange(4 * 2 * 2 * 3, dtype=np.uint8).reshape(4, 2, 2, 3)
    faces = Faces(pixels, np.arange(4), ("a", "b", "a", "c"))
    some = faces.of(["a"]).and_of(faces.of(["c"]))
    assert some.people == ("a", "a", "c") and some.rows.tolist() == [0, 2, 3]
    # 12 / 255 of red, less ImageNet's .485, in units of .229
    assert faces.tensor([1])[0, 0, 0, 0].item() == pytest.approx((12 / 255 - 0.485) / 0.229, abs=1e-6)
    with pytest.raises(ValueError, match="no photos of d"):
        faces.of(["a", "d"])
    with pytest.raises(ValueError, match="b is in both forget and retain"):
        check_apart({"forget": faces.of(["a", "b"]), "retain": faces.of(["b", "c"])})
    with pytest.raises(ValueError, match="no class for c"):
        labels_of(faces, ["a", "b"])
