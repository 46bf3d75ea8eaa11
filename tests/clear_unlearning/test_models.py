import json
import shutil

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.models import load_model


def likelihood(loaded, example) -> float:
    with torch.no_grad():
        return answer_likelihood(loaded.model, Encoder(loaded.processor).batch([example])).sums().item()


@pytest.fixture
def adapter(tmp_path, mini_llava):
    """A LoRA adapter that does something."""
    base = load_model(str(mini_llava), device="cpu")
    torch.manual_seed(0)
    model = get_peft_model(base.model, LoraConfig(r=2, target_modules=r".*language_model.*(q|v|down)_proj"))  # type: ignore[arg-type]
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_()
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_a_folder_gives_model_and_processor(mini_llava, mini_llama):
    assert load_model(str(mini_llava)).takes_images
    assert not load_model(str(mini_llama)).takes_images


@pytest.mark.parametrize("merge", [True, False])
def test_an_adapter_is_put_on_its_base(adapter, mini_llava, examples, merge):
    base, adapted = load_model(str(mini_llava), device="cpu"), load_model(str(adapter), device="cpu", merge=merge)
    assert isinstance(adapted.model, PeftModel) != merge
    assert adapted.takes_images  # by the processor of the base
    assert abs(likelihood(adapted, examples[0]) - likelihood(base, examples[0])) > 1e-2


def test_merging_changes_no_number(adapter, examples):
    merged, apart = (load_model(str(adapter), device="cpu", merge=merge) for merge in (True, False))
    assert likelihood(merged, examples[0]) == pytest.approx(likelihood(apart, examples[0]), abs=1e-3)


def test_what_is_no_model_is_named(tmp_path, mini_llava, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="'no/where'"):
        load_model("no/where")
    with pytest.raises(FileNotFoundError, match="neither config.json nor adapter_config.json"):
        load_model(str(tmp_path))
    orphan = tmp_path / "orphan"
    orphan.mkdir()
    (orphan / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path / "gone")}))
    with pytest.raises(FileNotFoundError, match="gone"):
        load_model(str(orphan))


def test_pickled_weights_are_refused(tmp_path, mini_llava):
    folder = tmp_path / "pickled"
    shutil.copytree(mini_llava, folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        load_model(str(folder))
