"""The vision tower in training: frozen, unless one wants it trained."""

from transformers import PreTrainedModel


def freeze_vision(model: PreTrainedModel) -> None:
    """Switches off the gradients of the vision tower; a text model has none and stays as it is."""
    tower = model.get_encoder(modality="image")
    if tower is not model and tower is not model.base_model:
        tower.requires_grad_(False)
