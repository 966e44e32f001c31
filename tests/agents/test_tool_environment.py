"""Tasks as objects whose methods are tools, and two steps of TRL's GRPOTrainer on them."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

from milepost.agents.tool_environment import OVER, ToolEnvironment, tool_environment, tool_rows
from milepost.envs.action_tools import tool_schemas
from milepost.envs.actions import parse_action
from milepost.envs.registration import isolated_registry, register_task, task_for
from milepost.sandbox.errors import BrowserCrashedError, TaskError
from tests.envs.stubborn import stubborn_task


def tools_of(environment: ToolEnvironment) -> dict[str, Any]:
    """The methods that the trainer offers as tools, found as it finds them."""
    found = inspect.getmembers(type(environment), predicate=inspect.isfunction)
    return {n: getattr(environment, n) for n, _ in found if not n.startswith("_") and n not in ("reset", "get_reward")}


def call(environment: ToolEnvironment, action: str) -> str:
    """Do an action by its tool."""
    parsed = parse_action(action).model_dump(exclude_none=True)
    return str(tools_of(environment)[parsed.pop("kind")](**parsed))


def test_the_tools_are_the_actions_of_the_tasks():
    environment = tool_environment("expense-form", "report-download")()
    tools = tools_of(environment)
    assert set(tools) == task_for("expense-form").verbs | task_for("report-download").verbs
    with pytest.raises(TaskError, match="did you mean"):
        tool_environment("expense-fork")


def test_their_schemas_can_be_made_by_transformers():
    pytest.importorskip("torch")
    from transformers.utils.chat_template_utils import get_json_schema

    task = task_for("expense-form")
    ours = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tool_schemas(task.verbs)}
    for name, tool in tools_of(tool_environment("expense-form")()).items():
        made = get_json_schema(tool)["function"]
        assert made["name"] == name
        assert made["description"]
        assert list(made["parameters"]["properties"]) == list(ours[name]["properties"])
        assert set(made["parameters"].get("required", [])) == set(ours[name]["required"])


def test_rows_name_what_a_reset_needs():
    rows = tool_rows("expense-form", range(3))
    assert [(row["task"], row["seed"]) for row in rows] == [("milepost/expense-form-v0", seed) for seed in range(3)]
    assert all(row["prompt"][-1]["role"] == "user" for row in rows)


@pytest.mark.browser
def test_the_oracle_earns_everything_by_tools():
    environment = tool_environment("expense-form")()
    instance = task_for("expense-form").instantiate(3)
    shown = environment.reset(seed=3, prompt="a column of the data set")
    assert shown.startswith(f"Goal: {instance.goal}\n")
    assert environment.get_reward() == 0.0
    said = [call(environment, action) for action in instance.oracle]
    assert environment.get_reward() == pytest.approx(instance.max_reward)
    assert said[-1].endswith(OVER)
    assert not any(OVER in text for text in said[:-1])
    assert call(environment, "noop()") == OVER
    assert environment.get_reward() == pytest.approx(instance.max_reward)
    assert environment.reset(seed=3) == shown
    with pytest.raises(ValueError, match="expected one of"):
        environment.reset(task="search-open")


@pytest.mark.browser
def test_a_wrong_call_is_told_and_costs_a_step():
    with isolated_registry():
        register_task(stubborn_task())
        environment = tool_environment("stubborn")()
        environment.reset(seed=1)
        tools = tools_of(environment)
        for wrong in ({}, {"target": ["Fine"]}, {"target": "Fine", "speed": 3}, {"target": "Nowhere"}):
            assert "Error: " in tools["click"](**wrong), wrong
        for _ in range(5):
            assert OVER not in tools["noop"]()
        assert tools["noop"]().endswith(OVER), "the task has ten steps, however they are spent"
        assert environment.get_reward() == 0.0


@pytest.mark.browser
def test_a_failure_of_the_machine_is_no_reward(monkeypatch: pytest.MonkeyPatch):
    from milepost.sandbox.fleet import Fleet

    async def dead(_: Fleet) -> Any:
        raise BrowserCrashedError("the browser died")

    environment = tool_environment("expense-form")()
    with monkeypatch.context() as broken:
        broken.setattr(Fleet, "acquire", dead)
        assert "browser_crashed" in environment.reset(seed=1)
        assert environment.get_reward() is None
        assert call(environment, "noop()") == OVER
    environment.reset(seed=1)
    assert environment.get_reward() == 0.0
    with isolated_registry():
        register_task(stubborn_task())
        stubborn = tool_environment("stubborn")()
        stubborn.reset(seed=1)
        assert stubborn._env is not None
        stubborn._env._step_timeout_s = 2.0
        call(stubborn, 'click("Fine")')
        assert stubborn.get_reward() == 0.25
        assert call(stubborn, 'click("Loop")').endswith(OVER)
        assert stubborn.get_reward() is None


FINE, NOWHERE = ({"name": "click", "arguments": {"target": target}} for target in ("Fine", "Nowhere"))
CALLS = [f"<tool_call>\n{json.dumps(each)}\n</tool_call>" for each in (FINE, NOWHERE)]


def tool_caller() -> tuple[Any, Any]:
    """Return a tiny Llama whose every word is one of two tool calls or the end, and its tokenizer."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast
    from trl.chat_template_utils import qwen3_chat_template

    from .tiny_llama import VOCABULARY, tiny_llama

    model = WordLevel({f"w{i}": i for i in range(VOCABULARY - 6)}, unk_token="w0")
    core = Tokenizer(model)
    core.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="w0",
        pad_token="w1",
        eos_token="<|im_end|>",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.add_tokens(CALLS)
    tokenizer.chat_template = qwen3_chat_template
    llama = tiny_llama(adapter=False, max_position_embeddings=8192)
    llama.lm_head = torch.nn.Linear(llama.config.hidden_size, VOCABULARY)
    with torch.no_grad():
        llama.lm_head.weight.mul_(0.1)
        llama.lm_head.bias.fill_(-30.0)
        for text, logit in [(CALLS[0], 1.0), (CALLS[1], 0.5), ("<|im_end|>", 1.0)]:
            llama.lm_head.bias[tokenizer.convert_tokens_to_ids(text)] = logit
    llama.requires_grad_(True)
    return llama, tokenizer


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_trl_trains_two_steps_on_real_pages(tmp_path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("trl", reason="needs TRL: pip install trl")
    import torch
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    llama, tokenizer = tool_caller()
    before = llama.lm_head.bias.detach().clone()
    with isolated_registry():
        register_task(stubborn_task())
        trainer = GRPOTrainer(
            model=llama,
            processing_class=tokenizer,
            environment_factory=tool_environment("stubborn"),
            train_dataset=Dataset.from_list(tool_rows("stubborn", range(4))),
            args=GRPOConfig(
                output_dir=str(tmp_path),
                report_to=[],
                use_cpu=True,
                bf16=False,
                max_steps=2,
                per_device_train_batch_size=4,
                num_generations=4,
                max_completion_length=400,
                max_tool_calling_iterations=4,
                chat_template_kwargs={"enable_thinking": False},
                learning_rate=1e-2,
                logging_steps=1,
                save_strategy="no",
                seed=3,
            ),
        )
        trainer.train()
        earned = [env.get_reward() for env in trainer.environments]
    assert trainer.state.global_step == 2
    logged = [entry for entry in trainer.state.log_history if "reward" in entry]
    assert len(logged) == 2
    assert logged[-1]["rewards/MilepostEnvironment/mean"] == pytest.approx(sum(earned) / len(earned))
    assert {*earned} <= {0.0, 0.25, 0.75}
    assert max(entry["reward"] for entry in logged) > 0, "some rollout pressed the good button"
    assert any(entry["tools/call_frequency"] > 0 for entry in logged)
    moved = (llama.lm_head.bias.detach() - before).abs()
    assert torch.isfinite(moved).all()
    assert moved.max() > 0, "it learnt from what the episodes paid"
