import json
import shutil

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.mini_models import build_mini_llama
from clear_unlearning.models import LoadedModel, load_model
from tests.clear_unlearning.architectures import build_architecture, questions, save_architecture
from tests.conftest import TEXTS

# Pushes two models to one repository; prints commit and sum of weights of the first as it is in its folder, and of
# main, the tag and the commit of the first as they are loaded from the Hub.
REVISIONS = """
import sys
from huggingface_hub import HfApi
from clear_unlearning.models import load_model

def line(loaded, commit=None):
    print(commit or loaded.commit, float(sum(weight.double().sum() for weight in loaded.model.parameters())))

api = HfApi()
api.create_repo("ORG/llama")
first = api.upload_folder(repo_id="ORG/llama", folder_path=sys.argv[1]).oid
api.create_tag("ORG/llama", tag="v1")
api.upload_folder(repo_id="ORG/llama", folder_path=sys.argv[2])
line(load_model(sys.argv[1], device="cpu"), first)
for revision in (None, "v1", first):
    line(load_model("ORG/llama", revision=revision, device="cpu"))
"""


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


def test_an_adapter_without_safetensors_is_refused(adapter):
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(FileNotFoundError, match="holds no adapter_model.safetensors"):
        load_model(str(adapter))


@pytest.mark.parametrize(
    ("width", "layers", "message"),
    [
        (32, 2, "size mismatch"),
        (64, 3, "Found missing adapter keys"),
        (64, 1, "it has 8 weights, of which there is place for 4"),
    ],
)
def test_an_adapter_for_another_base_is_refused(tmp_path, mini_llama, width, layers, message):
    other = tmp_path / "other"
    build_mini_llama(other, TEXTS, vocabulary=400, width=width, layers=layers)
    model = get_peft_model(
        load_model(str(mini_llama), device="cpu").model,  # type: ignore[arg-type]
        LoraConfig(r=2, target_modules=["q_proj", "v_proj"], base_model_name_or_path=str(other)),
    )
    model.peft_config["default"].base_model_name_or_path = str(other)
    model.save_pretrained(tmp_path / "adapter")
    with pytest.raises(ValueError, match=rf"(?s)adapter '.*' was made for another model than '.*other': .*{message}"):
        load_model(str(tmp_path / "adapter"), device="cpu")


def test_dtype_attention_and_device_map_are_passed_on(adapter, mini_llava, examples):
    half = load_model(str(adapter), dtype="bfloat16", device="cpu", attention="eager")
    assert half.model.dtype == torch.bfloat16
    assert half.model.config.get_text_config()._attn_implementation == "eager"
    spread, plain = (load_model(str(adapter), device=device) for device in ("auto", "cpu"))
    assert spread.model.device.type == plain.model.device.type == "cpu"
    assert likelihood(spread, examples[0]) == likelihood(plain, examples[0])


def test_a_chat_template_comes_from_a_file(tmp_path, mini_llama, examples):
    folder = tmp_path / "llama"
    shutil.copytree(mini_llama, folder)
    (folder / "chat_template.jinja").rename(tmp_path / "template.jinja")
    with pytest.raises(ValueError, match=r"llama has no chat template: name a Jinja file by --chat_template"):
        Encoder(load_model(str(folder)).processor)
    loaded = load_model(str(folder), device="cpu", chat_template=tmp_path / "template.jinja")
    text = examples[2]
    assert likelihood(loaded, text) == likelihood(load_model(str(mini_llama), device="cpu"), text)


@pytest.mark.parametrize("name", ["LLaVA-NeXT", "Idefics3", "Gemma 3", "PaliGemma"])
def test_processors_of_other_architectures_are_found(tmp_path, name):
    loaded = load_model(str(save_architecture(name, tmp_path)), device="cpu")
    model, processor = build_architecture(name)
    (picture, *_) = questions(images=True)
    assert type(loaded.processor) is type(processor)
    assert likelihood(loaded, picture) == likelihood(LoadedModel(model, processor, "", None), picture)


@pytest.mark.parametrize("known", [True, False])
def test_a_processor_that_cannot_be_loaded_is_no_text_model(tmp_path, known):
    """Qwen2-VL's needs torchvision for its videos."""
    folder = save_architecture("Qwen2-VL", tmp_path)
    if known:
        for file in folder.glob("*.json"):
            file.write_text(file.read_text().replace("StillQwen2VLProcessor", "Qwen2VLProcessor"))
    with pytest.raises(ValueError, match=r"the processor of '.*' cannot be loaded; some need torchvision"):
        load_model(str(folder))


def test_a_revision_of_the_hub_is_loaded_and_its_commit_recorded(hub, tmp_path, mini_llama):
    shutil.copytree(mini_llama, tmp_path / "new")
    build_mini_llama(tmp_path / "new", TEXTS, seed=2, vocabulary=400, width=64)
    done = hub.run("-c", REVISIONS, mini_llama, tmp_path / "new")
    assert done.returncode == 0, done.stderr
    first, main, tagged, pinned = (line.split() for line in done.stdout.splitlines())
    assert main[1] != tagged[1]
    assert tagged == pinned == first
