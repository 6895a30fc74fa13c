"""Answers are known whole, keep to their limits, and are the same for the same request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_errors import Refused
from podman_llm.testing.openai_model import Choice, Model, last_question

_CONFIG = OpenAIDoubleConfig(max_model_len=512)
_TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {}}}
_WRITE = {"type": "function", "function": {"name": "write", "parameters": {}}}


def _choose(body: dict[str, Any], config: OpenAIDoubleConfig = _CONFIG) -> Choice:
    model = Model(config)
    question = last_question(body["messages"])
    return model.reply(body, model.read_prompt(question), question).choices[0]


def _asking(content: str = "Explain leases", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **fields}


def test_the_same_body_gets_the_same_answer_streamed_or_not() -> None:
    assert _choose(_asking()).text == _choose(_asking(stream=True)).text
    assert _choose(_asking()).text == _choose(_asking()).text


def test_another_seed_gives_another_answer() -> None:
    answers = {_choose(_asking(), replace(_CONFIG, seed=seed)).text for seed in range(5)}
    assert len(answers) > 1


def test_a_temperature_gives_other_answers_to_the_same_body() -> None:
    assert len({_choose(_asking(temperature=1)).text for _ in range(10)}) > 1


def test_an_answer_ends_by_itself_with_an_empty_token() -> None:
    choice = _choose(_asking())
    assert choice.finish_reason == "stop"
    assert choice.tokens[-1].text == ""


def test_an_endless_answer_is_clamped_to_the_room_that_is_left() -> None:
    choice = _choose(_asking(), replace(_CONFIG, endless=True))
    prompt = len(Model(_CONFIG).read_prompt("Explain leases"))
    assert choice.finish_reason == "length"
    assert len(choice.tokens) == 512 - prompt


def test_a_stop_string_is_found_across_tokens_and_left_out() -> None:
    choice = _choose(_asking(stop=[". "]))
    assert (choice.finish_reason, choice.stop_reason) == ("stop", ". ")
    assert ". " not in choice.text
    assert not choice.text.endswith(".")


def test_a_stop_string_cuts_within_a_token() -> None:
    choice = _choose(_asking("Hello", stop="e"), replace(_CONFIG, endless=True))
    assert "e" not in choice.text
    assert (choice.finish_reason, choice.stop_reason) == ("stop", "e")


def test_a_choice_of_texts_is_obeyed() -> None:
    assert _choose(_asking(structured_outputs={"choice": ["alpha", "beta"]})).text in {
        "alpha",
        "beta",
    }


@pytest.mark.parametrize(
    ("question", "tools", "called"),
    [
        ("What is the weather in Prague?", [_TOOL], "get_weather"),
        ("Explain leases", [_TOOL], None),
        ("Write a function", [_WRITE], None),
        ("Please use the write tool", [_WRITE], "write"),
    ],
)
def test_a_tool_is_called_only_when_plainly_asked_for(
    question: str, tools: list[Any], called: str | None
) -> None:
    call = _choose(_asking(question, tools=tools)).call
    assert (call.name if call else None) == called


def test_after_the_result_of_a_tool_the_answer_is_text() -> None:
    body = _asking("What is the weather in Prague?", tools=[_TOOL])
    body["messages"].append({"role": "tool", "content": "weather: sunny", "tool_call_id": "x"})
    assert _choose(body).call is None


def test_a_demanded_call_is_made_and_finishes_as_vllm_says() -> None:
    required = _choose(_asking(tools=[_TOOL], tool_choice="required"))
    named = _choose(
        _asking(tools=[_TOOL], tool_choice={"type": "function", "function": _TOOL["function"]})
    )
    assert (required.finish_reason, named.finish_reason) == ("tool_calls", "stop")
    assert required.text == ""


def test_a_name_that_is_not_served_is_refused() -> None:
    with pytest.raises(Refused, match="does not exist"):
        Model(_CONFIG).check_name({"model": "gpt-4o"})
