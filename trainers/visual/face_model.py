"""The face recogniser: a vision backbone of transformers, an embedding of 512 numbers, and a class weight a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel, ResNetConfig

from .margin import MARGIN, SCALE

EMBEDDING = 512  # numbers of an embedding
# Backbones from config, without weights. The first is ResNet-18; the others are the same class, narrow.
BACKBONES: dict[str, dict[str, Any]] = {
    "resnet-18": {"embedding_size": 64, "hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2]},
    "resnet-mini": {"embedding_size": 16, "hidden_sizes": [16, 32, 64], "depths": [1, 1, 1]},
}


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
    """What the model says of photos.

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
        """Embeds photos [rows, 3, height, width] and compares them with the people that it knows."""
        embedding = self.embedding(pooled(self.backbone(pixel_values)))
        weights = functional.normalize(self.classes, dim=-1)
        return FaceOutput(embedding, functional.normalize(embedding, dim=-1) @ weights.T)

    def set_people(self, people: Sequence[str], seed: int) -> None:
        """Forgets the classes that it had and takes new ones, drawn by `seed`."""
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
    """Make a face recogniser.

    Args:
        backbone: A key of BACKBONES, from config, or a vision model of transformers, with its weights: id or folder.
        people: Whom it is to know.
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
