"""The face recogniser: photos as it takes them, the model with a class weight a person, and its loss, AM-Softmax."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel, ResNetConfig

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
SCALE, MARGIN = 30.0, 0.4  # of AM-Softmax
EMBEDDING = 512  # numbers of an embedding
# Backbones from config, without weights. The first is ResNet-18; the others are the same class, narrow.
BACKBONES: dict[str, dict[str, Any]] = {
    "resnet-18": {"embedding_size": 64, "hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2]},
    "resnet-mini": {"embedding_size": 16, "hidden_sizes": [16, 32, 64], "depths": [1, 1, 1]},
}


@dataclass(frozen=True)
class Faces:
    """Some rows of an array of photos.

    Attributes:
        pixels: All photos [photos, height, width, 3], bytes; may be mapped from a file.
        rows: Which of them.
        people: The person of each of these rows.
    """

    pixels: np.ndarray
    rows: np.ndarray
    people: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that each row has its person."""
        if len(self.rows) != len(self.people) or not len(self.rows):
            raise ValueError(
                f"{len(self.rows)} photos and {len(self.people)} names: as many are needed, and at least 1"
            )

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, people: Sequence[str]) -> "Faces":
        """Return the photos of some people.

        Raises:
            ValueError: If somebody has none.
        """
        missing = sorted(set(people) - set(self.people))
        if missing:
            raise ValueError(f"no photos of {', '.join(missing)}")
        chosen = [place for place, person in enumerate(self.people) if person in set(people)]
        return Faces(self.pixels, self.rows[chosen], tuple(self.people[place] for place in chosen))

    def and_of(self, other: "Faces") -> "Faces":
        """Return these photos and those of others, of the same array."""
        return Faces(self.pixels, np.concatenate([self.rows, other.rows]), self.people + other.people)

    def tensor(self, places: Sequence[int]) -> torch.Tensor:
        """Return the photos as a recogniser takes them [places, 3, height, width], normalised as for ImageNet."""
        pixels = torch.from_numpy(np.ascontiguousarray(self.pixels[self.rows[list(places)]])).float() / 255
        return ((pixels - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2).contiguous()


class FaceConfig(PreTrainedConfig):
    """Settings of a face recogniser.

    Args:
        backbone: Its config as a dict, with `model_type`.
        features: Numbers that the backbone gives for a photo.
        people: Name of each class.
        scale: s of AM-Softmax.
        margin: m of AM-Softmax.
    """

    model_type = "clear_face"

    def __init__(
        self,
        backbone: dict[str, Any] | None = None,
        features: int = 0,
        people: Sequence[str] = (),
        scale: float = SCALE,
        margin: float = MARGIN,
        **kwargs: Any,
    ) -> None:
        self.backbone, self.features, self.people = backbone or {}, features, list(people)
        self.scale, self.margin = scale, margin
        super().__init__(**kwargs)


@dataclass
class FaceOutput:
    """Output of the model for photos.

    Attributes:
        embedding: [rows, 512], not normalised.
        cosines: Between embedding and class weights [rows, people].
    """

    embedding: torch.Tensor
    cosines: torch.Tensor


class FaceModel(PreTrainedModel):
    """Backbone, a linear map to the embedding, and normalised class weights."""

    config_class = FaceConfig
    main_input_name = "pixel_values"
    base_model_prefix = "backbone"

    def __init__(self, config: FaceConfig, backbone: nn.Module | None = None) -> None:
        super().__init__(config)
        settings = dict(config.backbone)
        self.backbone = backbone or AutoModel.from_config(AutoConfig.for_model(settings.pop("model_type"), **settings))
        self.embedding = nn.Linear(config.features, EMBEDDING)
        self.classes = nn.Parameter(torch.empty(len(config.people), EMBEDDING))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if module is self:
            nn.init.normal_(self.classes)
        elif module is self.embedding:
            nn.init.kaiming_normal_(self.embedding.weight)
            nn.init.zeros_(self.embedding.bias)

    def forward(self, pixel_values: torch.Tensor) -> FaceOutput:
        """Embed photos [rows, 3, height, width] and compare them with the people that the model knows."""
        embedding = self.embedding(pooled(self.backbone(pixel_values)))
        weights = functional.normalize(self.classes, dim=-1)
        return FaceOutput(embedding, functional.normalize(embedding, dim=-1) @ weights.T)

    @torch.no_grad()
    def look(self, faces: Faces, flip: bool = False, size: int = 256) -> FaceOutput:
        """Return the output for all photos, in evaluation mode and without gradients.

        Args:
            faces: The photos.
            flip: Mirror them.
            size: Photos at a time.
        """
        training = self.training
        self.eval()
        outputs = []
        for start in range(0, len(faces), size):
            pixels = faces.tensor(range(start, min(start + size, len(faces)))).to(self.device)
            outputs.append(self(pixels.flip(-1) if flip else pixels))
        self.train(training)
        return FaceOutput(torch.cat([o.embedding for o in outputs]), torch.cat([o.cosines for o in outputs]))

    def set_people(self, people: Sequence[str], seed: int) -> None:
        """Replace the classes by new ones, whose weights are drawn by `seed`."""
        dice = torch.Generator().manual_seed(seed)
        weights = torch.randn((len(people), EMBEDDING), generator=dice)
        self.classes = nn.Parameter(weights.to(self.classes.device))
        self.config.people = list(people)


def pooled(output: Any) -> torch.Tensor:
    """Return the features of whole photos [rows, features]: pooled by the backbone, else the mean over places."""
    if output.get("pooler_output") is not None:
        return output.pooler_output.flatten(1)
    last = output.last_hidden_state
    return last.mean((2, 3)) if last.ndim == 4 else last.mean(1)


def build_face_model(backbone: str, people: Sequence[str], size: int, seed: int = 0) -> FaceModel:
    """Build a face recogniser.

    Args:
        backbone: A key of BACKBONES, from config, or a vision model of transformers, with its weights: id or folder.
        people: People that it can tell apart.
        size: Side of the photos in pixels.
        seed: Draws the weights that are new.

    Raises:
        ValueError: If there is no such backbone, or it does not take photos of this size.
    """
    torch.manual_seed(seed)
    if backbone in BACKBONES:
        body: Any = AutoModel.from_config(ResNetConfig(layer_type="basic", **BACKBONES[backbone]))
    else:
        try:
            body = AutoModel.from_pretrained(backbone)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"unknown backbone {backbone!r}: neither {', '.join(BACKBONES)} nor a model of transformers here or "
                f"on the Hub ({' '.join(str(error).split())[:200]})"
            ) from error
    try:
        with torch.no_grad():
            features = pooled(body.eval()(torch.zeros(1, 3, size, size))).shape[1]
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(
            f"the backbone {backbone!r} does not turn photos of {size} pixels into features ({error})"
        ) from error
    return FaceModel(FaceConfig(body.config.to_dict(), features, people), body.train())


def margin_logits(
    cosines: torch.Tensor, labels: torch.Tensor, scale: float = SCALE, margin: float = MARGIN
) -> torch.Tensor:
    """Return the logits as AM-Softmax trains them: `s * (cos - m)` for the right class, `s * cos` for the others.

    All methods take class probabilities from these logits. Without the margin those of a trained model are 1 to six
    digits, and a loss of them does not have a gradient.

    Args:
        cosines: Between embeddings and class weights, both normalised [rows, classes].
        labels: Right class of each row [rows].
        scale: s.
        margin: m, of the cosine.

    Returns:
        [rows, classes].
    """
    return scale * (cosines - margin * functional.one_hot(labels, cosines.shape[1]).to(cosines.dtype))


def right_log_probs(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the log-probability of the right class in nats [rows], from logits [rows, classes]."""
    return -functional.cross_entropy(logits, labels, reduction="none")
