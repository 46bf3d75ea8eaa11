"""Every field of a training that is inherited is honoured or refused by name; a new one fails here.

Those of a model are in `tests/clear_pipeline/test_model_arguments.py`.
"""

from dataclasses import MISSING, fields

import pytest
from trl import SFTConfig

from trainers import METHODS
from trainers.base.config import EVALUATED, UNSUPPORTED, UnlearningConfig

# Field -> who honours it. What the trainers do with theirs is tested beside them.
BY = {
    "our trainer": "output_dir per_device_train_batch_size num_train_epochs max_steps learning_rate weight_decay seed "
                   "data_seed gradient_accumulation_steps save_strategy save_steps save_total_limit use_cpu "
                   "dataloader_pin_memory bf16 fp16 gradient_checkpointing activation_checkpointing report_to "
                   "disable_tqdm remove_unused_columns",
    "our trainer, with eval_dataset": " ".join(EVALUATED),
    "transformers, the optimiser": "lr_scheduler_type lr_scheduler_kwargs warmup_steps optim optim_args adam_beta1 "
                                   "adam_beta2 adam_epsilon optim_target_modules max_grad_norm",
    "transformers, precision and memory": "tf32 activation_checkpointing_kwargs gradient_checkpointing_kwargs "
                                          "torch_compile torch_compile_backend torch_compile_mode use_cache "
                                          "torch_empty_cache_steps full_determinism activation_offloading",
    "transformers, what is logged": "logging_strategy logging_steps logging_first_step log_on_each_node "
                                    "logging_nan_inf_filter log_level log_level_replica run_name project "
                                    "trackio_space_id trackio_bucket_id trackio_static_space_id skip_memory_metrics "
                                    "debug include_num_input_tokens_seen",
    "accelerate": "accelerator_config parallelism_config ddp_find_unused_parameters ddp_bucket_cap_mb "
                  "ddp_broadcast_buffers ddp_static_graph ddp_backend ddp_timeout fsdp fsdp_config deepspeed "
                  "local_rank dataloader_num_workers dataloader_persistent_workers dataloader_prefetch_factor "
                  "dataloader_multiprocessing_context",
}  # fmt: skip
HONOURED = {name: who for who, names in BY.items() for name in names.split()}
TRAINING = {one.name: one for one in fields(SFTConfig)}


def other_value(one):
    """A value that is not the default of a field."""
    default = one.default_factory() if one.default_factory is not MISSING else one.default
    if isinstance(default, bool):
        return not default
    return default + 1 if isinstance(default, int | float) else ["x"] if isinstance(default, list) else "x"


def test_every_field_of_a_training_is_in_one_of_the_tables():
    assert HONOURED.keys() | UNSUPPORTED.keys() == TRAINING.keys()
    assert not HONOURED.keys() & UNSUPPORTED.keys()


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_would_do_nothing_is_refused_by_name(name):
    with pytest.raises(ValueError, match=f"--{name} is not supported: "):
        METHODS["npo"][1](output_dir=".", use_cpu=True, **{name: other_value(TRAINING[name])})


@pytest.mark.parametrize("method", METHODS)
def test_no_default_of_a_method_is_refused(method):
    arguments = METHODS[method][1](output_dir=".", use_cpu=True)
    assert isinstance(arguments, UnlearningConfig)


@pytest.mark.parametrize("name", EVALUATED)
def test_what_only_a_program_can_use_is_refused_by_the_commands(name):
    from clear_pipeline.commands.parser import parse

    with pytest.raises(ValueError, match=f"--{name} is not supported: score the model with"):
        parse("unlearn", [METHODS["npo"][1]], ["--output_dir", "x", f"--{name}", "1"])
