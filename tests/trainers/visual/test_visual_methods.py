"""What holds for every method of the visual track, and each loss against numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch

from trainers.base.regularisers import trainable
from trainers.visual import FROM_BASE, FURTHER, VISUAL_METHODS
from trainers.visual.face_model import FaceModel, FaceOutput, Faces, build_face_model
from trainers.visual.ssd import shares_left

FORGET, RETAIN = ("a", "b"), ("c", "d", "e")
PHOTOS = 4


@pytest.fixture(scope="module")
def faces():
    people = tuple(person for person in FORGET + RETAIN for _ in range(PHOTOS))
    pixels = np.random.default_rng(0).integers(0, 256, (len(people), 32, 32, 3), dtype=np.uint8)
    return Faces(pixels, np.arange(len(people)), people)


def trainer_of(method, faces, folder, model=None, **settings):
    trainer, config = VISUAL_METHODS[method]
    model = model or build_face_model("resnet-mini", FORGET + RETAIN, 32, seed=1)
    given = {"per_device_train_batch_size": 8, "num_train_epochs": 2, "learning_rate": 0.01, "warmup_steps": 0}
    given |= {"selection": 1.5} if method == "ssd" else {}  # of few photos few weights have ten times as much
    given |= {"output_dir": str(folder), "use_cpu": True, "disable_tqdm": True, "logging_strategy": "no"}
    return trainer(model, config(**{**given, **settings}), {"forget": faces.of(FORGET), "retain": faces.of(RETAIN)})


@pytest.mark.parametrize("method", VISUAL_METHODS)
def test_weights_move_and_come_back(method, faces, tmp_path):
    trainer = trainer_of(method, faces, tmp_path)
    before = {name: weight.clone() for name, weight in trainer.model.state_dict().items()}
    trainer.train()
    after = trainer.model.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before if "embedding" in name)
    assert all(weight.isfinite().all() for weight in after.values())
    trainer.save_model(str(tmp_path / "saved"))
    again = FaceModel.from_pretrained(tmp_path / "saved").state_dict()
    assert all(torch.equal(after[name], again[name]) for name in after)


@pytest.mark.parametrize("method", VISUAL_METHODS)
def test_the_same_seed_gives_the_same_weights(method, faces, tmp_path):
    weights = []
    for _ in range(2):
        trainer = trainer_of(method, faces, tmp_path, max_steps=2)
        trainer.train()
        weights.append(trainer.model.embedding.weight.clone())
    assert torch.equal(*weights)


@pytest.mark.parametrize("method", ["scrub", "neggrad"])
def test_accumulated_batches_take_the_step_of_a_whole_one(method, faces, tmp_path):
    """Batch norm is frozen in both: it would see other batches."""
    weights = []
    for size, steps in ((4, 1), (2, 2)):
        sizes = {"per_device_train_batch_size": size, "gradient_accumulation_steps": steps, "forget_repeat": 1}
        trainer = trainer_of(method, faces, tmp_path, freeze_batch_norm=True, **sizes)
        trainer.train()
        weights.append(trainer.model.embedding.weight.clone())
    assert torch.allclose(*weights, atol=1e-6)


def test_defaults_are_clears():
    """METHODS.md's table: learning rate, epochs, batch, how often the forget photos come."""
    known = {
        "original": (0.02, 20, 256, 1), "gold": (0.02, 20, 256, 1), "retain_finetune": (0.01, 5, 256, 1),
        "neggrad": (0.1, 2, 256, 1), "scrub": (0.01, 5, 256, 10), "scrub_bio": (0.2, 4, 256, 5),
        "llmu": (0.01, 5, 256, 10), "rmu": (0.2, 3, 256, 1), "dpo": (0.01, 4, 256, 10), "sparsity": (0.01, 4, 32, 1),
        "twins": (0.4, 5, 128, 10),
        # further methods: no values of CLEAR's
        "random_label": (0.01, 5, 256, 10), "salun": (0.01, 5, 256, 10), "boundary_shrink": (0.01, 5, 256, 10),
        "bad_teacher": (0.01, 5, 256, 10), "ssd": (0.01, 1, 256, 1),
    }  # fmt: skip
    for method, (_, config) in VISUAL_METHODS.items():
        c = config(output_dir="x", use_cpu=True)
        seen = (c.learning_rate, c.num_train_epochs, c.per_device_train_batch_size, c.forget_repeat)
        assert seen == known[method], method
        assert (c.momentum, c.weight_decay) == (0.9, 5e-5)
        trained = (name for name in FURTHER if name != "ssd")
        assert c.freeze_batch_norm == (method in ("scrub", "dpo", "llmu", "neggrad", *trained))
        assert c.paced == (method in FROM_BASE)
        assert (c.lr_scheduler_type == "cosine") == (
            method in ("scrub", "llmu", "dpo", "random_label", "salun", "bad_teacher")
        )


class Known:
    """In place of a model's word: two photos a side, two people, cosines and embeddings that are known."""

    def __init__(self, **sides: FaceOutput) -> None:
        self.sides = sides

    def __call__(self, model, batch, side):
        return self.sides[side]


def said(cosines, embedding=((1.0, 0.0),)) -> FaceOutput:
    return FaceOutput(torch.tensor(embedding), torch.tensor(cosines))


HALF, QUARTER = [[0.0, 0.0]], [[0.0, math.log(3)]]  # class probabilities 1/2, 1/2 and 1/4, 3/4 at scale 1
KL = math.log(2) - math.log(3) / 2  # from the first to the second
ASKED = {side: {"labels": torch.tensor([0]), "index": torch.tensor([0])} for side in ("forget", "retain", "all")}


def terms_of(method, faces, folder, monkeypatch, now, before=None, **settings):
    """The terms of a loss where model and original say what is given; scale 1, margin 0."""
    trainer = trainer_of(method, faces, folder, **settings)
    if method in ("random_label", "salun"):
        trainer.model.config.people = ["a", "b"]
    trainer.model.config.scale, trainer.model.config.margin = 1.0, 0.0
    monkeypatch.setattr(trainer, "output", Known(**now))
    trainer._before = before or {}
    for name, value in {"vectors": [[0.0, 2.0]], "mirrored": [[0.0, 1.0]], "nearest": [1]}.items():
        setattr(trainer, name, torch.tensor(value))
    batch = {side: ASKED[side] for side in now}
    return {name: term.item() for name, term in trainer.losses(trainer.model, batch).items()}


BOTH_NOW = {"forget": said(QUARTER), "retain": said(QUARTER)}
BOTH_BEFORE = {"forget": said(HALF), "retain": said(HALF)}
ALONG = {"forget": said(HALF, [[3.0, 4.0]]), "retain": said(HALF, [[3.0, 4.0]])}  # cosine .6 with (1, 0)
BY_HAND = [
    ("original", {"all": said(QUARTER)}, None, {"all": math.log(4)}),
    ("gold", {"retain": said(QUARTER)}, None, {"retain": math.log(4)}),
    ("retain_finetune", {"retain": said(QUARTER)}, None, {"retain": math.log(4)}),
    ("neggrad", {"forget": said(QUARTER)}, None, {"forget": -math.log(4)}),
    ("neggrad", {"retain": said(QUARTER)}, None, {"retain": math.log(4)}),
    ("scrub", BOTH_NOW, BOTH_BEFORE, {"forget": -KL, "kl": KL, "retain": math.log(4)}),
    ("scrub_bio", ALONG, BOTH_BEFORE, {"forget": 0.6, "retain": 0.4}),
    # log p fell by log 2 on both sides: nothing preferred, -log sigmoid(0) = log 2
    ("dpo", BOTH_NOW, BOTH_BEFORE, {"preference": math.log(2)}),
    # on forget alone: sigmoid(log 2) = 2/3
    ("dpo", {**BOTH_NOW, "retain": said(HALF)}, BOTH_BEFORE, {"preference": math.log(1.5)}),
    # (3, 4) to (0, 2): (9 + 4) / 2; to (1, 0): (4 + 16) / 2
    ("rmu", ALONG, BOTH_BEFORE, {"forget": 6.5, "retain": 10.0}),
    # the other one of two people has 3/4, and is the nearest too
    *((m, BOTH_NOW, None, {"random": math.log(4 / 3), "retain": math.log(4)}) for m in ("random_label", "salun")),
    ("boundary_shrink", {"forget": said(QUARTER)}, None, {"nearest": math.log(4 / 3)}),
    ("bad_teacher", BOTH_NOW, BOTH_BEFORE, {"forget": KL, "retain": KL}),
    ("ssd", {"forget": said(QUARTER)}, None, {"forget": -math.log(4)}),
    # (1, 0) to (0, 1): 1
    ("twins", {"forget": said(HALF)}, None, {"twins": 1.0}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "now", "before", "terms"), BY_HAND)
def test_losses_by_hand(method, now, before, terms, faces, tmp_path, monkeypatch):
    assert terms_of(method, faces, tmp_path, monkeypatch, now, before) == pytest.approx(terms, abs=1e-6)


def test_llmu_by_hand(faces, tmp_path, monkeypatch):
    """All five people alike: CE of any label is log 5."""
    five = said([[0.0] * 5])
    now = {"forget": five, "retain": said(QUARTER)}
    terms = terms_of("llmu", faces, tmp_path, monkeypatch, now, BOTH_BEFORE)
    assert terms == pytest.approx(
        {"forget": -0.02 * math.log(5), "random": 0.01 * math.log(5), "retain": KL}, abs=1e-6
    )


def test_llmu_draws_people_to_retain_alone(faces, tmp_path, monkeypatch):
    trainer = trainer_of("llmu", faces, tmp_path)
    drawn = []
    monkeypatch.setattr(
        trainer, "margin_loss", lambda output, labels: drawn.extend(labels.tolist()) or torch.zeros(())
    )
    for _ in range(5):
        trainer.losses(trainer.model, trainer.collator(list(range(8))))
    forgotten, random_people = {0, 1}, {2, 3, 4}
    assert set(drawn) == forgotten | random_people
    assert set(drawn[8:16]) <= random_people


def test_sparsity_adds_the_norm_of_all_weights(faces, tmp_path, monkeypatch):
    trainer = trainer_of("sparsity", faces, tmp_path, l1=0.5, l1_rest=2, num_train_epochs=4)
    norm = sum(weight.abs().sum().item() for weight in trainer.model.parameters())
    batch = trainer.collator(list(range(4)))
    assert trainer.losses(trainer.model, batch)["l1"].item() == pytest.approx(0.5 * norm, rel=1e-5)
    for epoch, weight in ((0, 0.5), (1, 0.25), (2, 0.0), (3, 0.0)):
        trainer.state.epoch = epoch
        assert trainer.weight() == pytest.approx(weight)


def test_neggrad_climbs_first_then_descends(faces, tmp_path, monkeypatch):
    trainer = trainer_of("neggrad", faces, tmp_path)
    seen = []
    losses = trainer.losses
    monkeypatch.setattr(trainer, "losses", lambda model, batch: seen.append(list(batch)) or losses(model, batch))
    trainer.train()
    assert seen == [["forget"], ["retain"], ["retain"]]  # 8 photos, then 12, in batches of 8
    with pytest.raises(ValueError, match="must be even"):
        trainer_of("neggrad", faces, tmp_path, num_train_epochs=3)


def test_rmu_has_one_vector_a_photo(faces, tmp_path):
    vectors = trainer_of("rmu", faces, tmp_path, steering=3.0).vectors
    assert vectors.shape == (len(FORGET) * PHOTOS, 512)
    assert vectors.min() < -2.9 and vectors.max() > 2.9 and vectors.abs().max() <= 3
    assert len(vectors.unique(dim=0)) == len(vectors)


def test_twins_looks_at_mirrored_photos(faces, tmp_path):
    trainer = trainer_of("twins", faces, tmp_path)
    pixels = faces.of(FORGET).tensor(range(8)).flip(-1)
    with torch.no_grad():
        assert torch.allclose(trainer.mirrored, trainer.model.eval()(pixels).embedding, atol=1e-5)


def test_batch_norm_stays_as_it_is_where_clear_says_so(faces, tmp_path):
    for method, moves in (("scrub", False), ("scrub_bio", True)):
        trainer = trainer_of(method, faces, tmp_path)
        name = next(name for name in trainer.model.state_dict() if name.endswith("running_mean"))
        before = trainer.model.state_dict()[name].clone()
        trainer.train()
        assert torch.equal(before, trainer.model.state_dict()[name]) != moves


def test_retain_photos_are_drawn_anew_in_each_epoch_and_each_comes(faces, tmp_path):
    collator = trainer_of("scrub", faces, tmp_path).collator
    first = collator(list(range(12)))["retain"]["index"].tolist()
    collator.epoch = 1
    second = collator(list(range(12)))["retain"]["index"].tolist()
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second


def test_divergence_and_bad_settings_are_named(faces, tmp_path):
    trainer = trainer_of("gold", faces, tmp_path)
    with torch.no_grad():
        trainer.model.embedding.weight.fill_(math.nan)
    with pytest.raises(FloatingPointError, match="step 0: the loss is"):
        trainer.train()
    with pytest.raises(ValueError, match="learning_rate must be above 0"):
        trainer_of("gold", faces, tmp_path, learning_rate=0.0)
    trainer_class, config = VISUAL_METHODS["scrub"]
    with pytest.raises(ValueError, match="needs photos for forget, retain; missing"):
        trainer_class(trainer.model, config(output_dir=str(tmp_path), use_cpu=True), {"forget": faces.of(FORGET)})


def test_random_labels_are_anybodys_but_the_own(faces, tmp_path, monkeypatch):
    trainer, drawn = trainer_of("random_label", faces, tmp_path), []
    monkeypatch.setattr(trainer, "margin_loss", lambda output, labels: drawn.append(labels) or torch.zeros(()))
    for _ in range(20):
        batch = trainer.collator(list(range(8)))
        trainer.losses(trainer.model, batch)
        assert not (drawn[-2] == batch["forget"]["labels"]).any() and torch.equal(drawn[-1], batch["retain"]["labels"])
    assert set(torch.cat(drawn[::2]).tolist()) == {0, 1, 2, 3, 4}


def test_salun_trains_the_salient_half_alone(faces, tmp_path):
    """By the gradient of all photos to forget at once; momentum and decay leave the others as they are."""
    trainer = trainer_of("salun", faces, tmp_path, momentum=0.9, weight_decay=0.1)
    weights, before = trainable(trainer.model), [weight.detach().clone() for weight in trainable(trainer.model)]
    whole = next(trainer.batches("forget"))
    gradients = torch.autograd.grad(trainer.margin_term(trainer.model.eval(), whole, "forget"), weights)
    sizes = torch.cat([gradient.abs().flatten() for gradient in gradients])
    bound = sizes.sort(descending=True).values[round(len(sizes) / 2) - 1]
    trainer.train()
    moved = torch.cat([(w != old).flatten() for w, old in zip(trainable(trainer.model), before, strict=True)])
    assert not moved[sizes < 0.99 * bound].any() and moved[sizes > 1.01 * bound].float().mean() > 0.9
    with pytest.raises(ValueError, match="share must be between 0 and 1, not 1.0"):
        trainer_of("salun", faces, tmp_path, share=1.0)


def test_the_nearest_person_is_found_by_a_step_up_the_loss(faces, tmp_path):
    trainer = trainer_of("boundary_shrink", faces, tmp_path, bound=0.05)
    own = torch.tensor([0] * 4 + [1] * 4)
    assert not (trainer.nearest == own).any()
    pixels = faces.of(FORGET).tensor(range(8)).requires_grad_()
    trainer.margin_loss(trainer.model(pixels), own).backward()
    with torch.no_grad():
        cosines = trainer.model(pixels + 0.05 * pixels.grad.sign()).cosines
    ranked = cosines.argsort(1, descending=True).tolist()
    expected = [
        next(label for label in row if label != right) for row, right in zip(ranked, own.tolist(), strict=True)
    ]
    assert trainer.nearest.tolist() == expected
    with pytest.raises(ValueError, match="bound must be above 0, not 0.0"):
        trainer_of("boundary_shrink", faces, tmp_path, bound=0.0)


def test_the_bad_teacher_is_untrained_and_the_other_the_original(faces, tmp_path):
    trainer = trainer_of("bad_teacher", faces, tmp_path)
    trained = trainer.model.look(faces.of(FORGET)).cosines
    assert not torch.allclose(trainer._before["forget"].cosines, trained, atol=1e-2)
    again = trainer_of("bad_teacher", faces, tmp_path)._before["forget"].cosines
    assert torch.equal(trainer._before["forget"].cosines, again)
    assert torch.allclose(trainer._before["retain"].cosines, trainer.model.look(faces.of(RETAIN)).cosines, atol=1e-5)


def test_dampening_by_hand(faces, tmp_path):
    """F 8 over 2 is above 3 and leaves 1/4, with l 2 half, with l 8 no more than all; 4 over 2 stays; 0 over 0 too."""
    forget, everybody = [torch.tensor([8.0, 4.0, 0.0])], [torch.tensor([2.0, 2.0, 0.0])]
    for dampening, left in ((1.0, 0.25), (2.0, 0.5), (8.0, 1.0)):
        assert shares_left(forget, everybody, 3.0, dampening)[0].tolist() == [left, 1.0, 1.0]
    trainer = trainer_of("ssd", faces, tmp_path, selection=1e9)
    with pytest.raises(
        ValueError,
        match="selection must be below .*, the largest F_f / F_all of a weight, not 1000000000.0; it is never",
    ):
        trainer.train()
    with pytest.raises(ValueError, match="selection must be above 0, not 0.0"):
        trainer_of("ssd", faces, tmp_path, selection=0.0)


def test_squares_are_of_single_photos(faces, tmp_path):
    trainer, found = trainer_of("ssd", faces, tmp_path), 0
    trainer.model.eval()
    for place in range(12):
        output = trainer.model(faces.of(RETAIN).tensor([place]))
        loss = trainer.margin_loss(output, torch.tensor([2 + place // 4]))
        found += torch.autograd.grad(loss, [trainer.model.classes])[0] ** 2 / 12
    names = [name for name, _ in trainer.model.named_parameters()]
    assert torch.allclose(trainer.squares("retain")[names.index("classes")], found, rtol=1e-4, atol=1e-9)
