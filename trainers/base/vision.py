"""The vision tower in training: frozen by default, so that each photo goes through it only once.

The output of a frozen tower for a photo is the same in every step, so it is kept. The projector behind it may still be
trained, which costs little.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

# Field of the tower's output that a model reads, by its type; `hidden_states` of the layers that its config names.
READ = {
    "llava": "hidden_states",
    "llava_next": "hidden_states",
    "idefics3": "last_hidden_state",
    "smolvlm": "last_hidden_state",
    "gemma3": "last_hidden_state",
    "paligemma": "last_hidden_state",
    "qwen2_vl": "pooler_output",
    "qwen2_5_vl": "pooler_output",
    "qwen3_vl": "pooler_output",  # and deepstack_features
}
GRID = "grid_thw"  # Qwen's towers take the patches of all pictures in one row, and here how many each has
WITH_A_PICTURE = (GRID, "patch_attention_mask")


def vision_tower(model: PreTrainedModel) -> nn.Module | None:
    """Return the vision tower; a text model has none."""
    tower = model.get_encoder(modality="image")
    return None if tower is model or tower is model.base_model else tower


def freeze_vision(model: PreTrainedModel) -> None:
    """Switch off the gradients of the vision tower, if the model has one."""
    tower = vision_tower(model)
    if tower is not None:
        tower.requires_grad_(False)


def each_photo_once(model: PreTrainedModel, gigabytes: float, sharded: bool) -> AbstractContextManager[Any]:
    """Return a context in which a frozen vision tower sees each photo once; it changes nothing for other models.

    Args:
        model: Model whose frozen weights are already frozen.
        gigabytes: Features to keep in each process; 0 for none.
        sharded: Whether the weights of the tower are spread over processes.
    """
    tower = vision_tower(model)
    if tower is None or not gigabytes or any(weight.requires_grad for weight in tower.parameters()):
        return nullcontext()
    reason = None
    if sharded:
        reason = "its weights are spread over processes, which must run it together"
    elif model.config.model_type not in READ:
        reason = f"what {model.config.model_type} reads of it is not known, as it is of {', '.join(READ)}"
    if reason is not None:
        logger.warning("photos go through the frozen vision tower in every step: %s", reason)
        return nullcontext()
    return FrozenVision(model, tower, gigabytes * 1e9)


class FrozenVision(AbstractContextManager[None]):
    """Keep the output of a frozen vision tower for each picture, or tile of one, by its pixels.

    Each goes through the tower by itself and without dropout, so that its output does not depend on the others: a
    resumed run sees the same numbers.

    Args:
        model: Model whose type is a key of READ.
        tower: Its vision tower.
        limit: Bytes to keep in main memory; further pictures go through the tower in every step.
    """

    def __init__(self, model: PreTrainedModel, tower: nn.Module, limit: float) -> None:
        self.tower, self.field, self.limit = tower, READ[model.config.model_type], limit
        named = model.config.vision_feature_layer if self.field == "hidden_states" else []
        self.layers: list[int] = [named] if isinstance(named, int) else list(named)
        self.size = 0
        self._kept: dict[bytes, list[torch.Tensor]] = {}
        self._run: Any = tower.forward
        self._output: Any = None  # class of the tower's output
        self._depth = 0

    def __enter__(self) -> None:
        self.tower.forward = self.forward

    def __exit__(self, *_: Any) -> None:
        self.tower.forward = self._run

    def forward(self, *given: Any, **named: Any) -> Any:
        """Return the tower's output for pictures, as far as the model reads it."""
        pixels = given[0] if given else named.pop("pixel_values")
        with_it = {name: value for name, value in named.items() if isinstance(value, torch.Tensor)}
        if not with_it.keys() <= set(WITH_A_PICTURE):
            return self._run(pixels, **named)
        plain = {name: value for name, value in named.items() if name not in with_it}
        found = [self._features(picture, plain) for picture in _pictures(pixels, with_it)]
        first, *rest = (torch.cat(parts).to(pixels.device) for parts in zip(*found, strict=True))
        if self.layers:
            states: list[torch.Tensor | None] = [None] * self._depth
            for layer, state in zip(self.layers, (first, *rest), strict=True):
                states[layer] = state
            return self._output(hidden_states=tuple(states))
        return self._output(**{self.field: first}, **({"deepstack_features": rest} if rest else {}))

    def _features(self, picture: dict[str, torch.Tensor], plain: dict[str, Any]) -> list[torch.Tensor]:
        """Return the fields that the model reads of one picture's output; keep them if there is room."""
        key = _key(picture)
        if key in self._kept:
            return self._kept[key]
        with_it = {name: value for name, value in picture.items() if name != "pixels"}
        training = self.tower.training
        self.tower.eval()
        with torch.inference_mode(False), torch.no_grad():
            output = self._run(picture["pixels"], **with_it, **plain)
        self.tower.train(training)
        self._output, self._depth = type(output), len(output.get("hidden_states") or ())
        if self.layers:
            features = [output["hidden_states"][layer] for layer in self.layers]
        else:
            features = [output[self.field], *(output.get("deepstack_features") or ())]
        size = sum(value.nbytes for value in features)
        if self.size + size <= self.limit:
            self._kept[key] = features = [value.cpu() for value in features]
            self.size += size
        elif self.limit:
            logger.warning(
                "%.3g GB of vision features are kept, of %d pictures or tiles: further ones go through the frozen "
                "tower in every step; raise --cached_features to keep more", self.size / 1e9, len(self._kept),
            )  # fmt: skip
            self.limit = 0.0
        return features


def _pictures(pixels: torch.Tensor, with_it: dict[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
    """Take a tower's input apart, picture by picture."""
    sizes = with_it[GRID].prod(-1).tolist() if GRID in with_it else [1] * len(pixels)
    for i, own in enumerate(pixels.split(sizes)):
        yield {"pixels": own, **{name: value[i : i + 1] for name, value in with_it.items()}}


def _key(picture: dict[str, torch.Tensor]) -> bytes:
    key = hashlib.blake2b(digest_size=16)
    for value in picture.values():
        key.update(f"{value.dtype}{tuple(value.shape)}".encode())
        key.update(value.detach().contiguous().view(torch.uint8).cpu().numpy().tobytes())
    return key.digest()
