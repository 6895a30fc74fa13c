from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podman_llm.core.converse_models import ConverseModel, Effort, Sampling
from podman_llm.core.converse_request import to_converse, unsupported
from podman_llm.core.particulars import particulars_of
from podman_llm.core.translation import Untranslatable
from tests.core.converse_rules import ABLE, PLAIN, PNG, function, translate, user

HI: dict[str, Any] = {"messages": [user("hi")]}
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
SCHEMA = {"type": "json_schema", "json_schema": {"schema": {"type": "object", "properties": {}}}}


def inference(model: ConverseModel = ABLE, **body: Any) -> Any:
    return translate({**HI, **body}, model).document["inferenceConfig"]


def test_a_limit_is_always_set() -> None:
    assert inference() == {"maxTokens": 8192}
    assert inference(replace(ABLE, default_max_tokens=100)) == {"maxTokens": 100}
    assert inference(max_tokens=5) == {"maxTokens": 5}
    assert inference(max_tokens=5, max_completion_tokens=6) == {"maxTokens": 6}
    assert inference(replace(ABLE, max_output_tokens=4), max_tokens=5) == {"maxTokens": 4}


@pytest.mark.parametrize(
    ("sampling", "told"),
    [
        (Sampling.BOTH, {"temperature": 1.0, "topP": 0.5}),
        (Sampling.EITHER, {"temperature": 1.0}),
        (Sampling.NEITHER, {}),
    ],
)
def test_sampling_goes_as_far_as_the_model_takes_it(sampling: Sampling, told: Any) -> None:
    made = inference(replace(ABLE, sampling=sampling), temperature=1.7, top_p=0.5)
    assert made == {"maxTokens": 8192, **told}


def test_top_p_alone_is_kept_where_only_one_may_be() -> None:
    assert inference(replace(ABLE, sampling=Sampling.EITHER), top_p=0.5)["topP"] == 0.5


@pytest.mark.parametrize(
    ("stop", "told"), [("a", ["a"]), (["a", "", "b"], ["a", "b"]), ([], None), (None, None)]
)
def test_stops_become_a_list(stop: Any, told: Any) -> None:
    assert inference(stop=stop).get("stopSequences") == told


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({**HI, "max_tokens": 0}, "max_tokens"),
        ({**HI, "max_tokens": "many"}, "max_tokens"),
        ({**HI, "temperature": True}, "temperature"),
        ({**HI, "stop": 7}, "stop"),
        ({**HI, "stop": [7]}, "stop"),
        ({**HI, "n": 2, "logprobs": True}, "n"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        to_converse(body, ABLE)
    assert caught.value.param == param


def test_json_mode_is_asked_for_in_words() -> None:
    made = translate({**HI, "response_format": {"type": "json_object"}}).document
    assert "JSON object" in made["system"][0]["text"]
    assert "outputConfig" not in made


def test_a_schema_and_an_effort_share_their_place() -> None:
    model = replace(ABLE, effort=Effort.OUTPUT_CONFIG)
    made = translate({**HI, "response_format": SCHEMA, "reasoning_effort": "high"}, model).document
    assert set(made["outputConfig"]) == {"textFormat", "effort"}


@pytest.mark.parametrize(("asked", "told"), [("minimal", "low"), ("max", "max"), ("none", None)])
def test_efforts_are_those_of_the_model(asked: str, told: str | None) -> None:
    own = replace(ABLE, effort=Effort.MODEL_FIELD)
    made = translate({**HI, "reasoning_effort": asked}, own).document
    fields = {"reasoning_effort": told} if told else None
    assert made.get("additionalModelRequestFields") == fields
    assert "outputConfig" not in translate({**HI, "reasoning_effort": asked}, ABLE).document


def test_metadata_goes_to_the_log_as_far_as_it_fits() -> None:
    given = {"team": "search", "odd": "ü", "number": 7, **{f"k{n}": "v" for n in range(20)}}
    made = translate({**HI, "metadata": given, "user": "ann"}).document["requestMetadata"]
    assert len(made) == 16
    assert made["user"] == "ann"
    assert not {"odd", "number"} & set(made)


@pytest.mark.parametrize(("tier", "told"), [("flex", {"type": "flex"}), ("auto", None)])
def test_a_tier_that_bedrock_has_is_asked_for(tier: str, told: Any) -> None:
    assert translate({**HI, "service_tier": tier}).document.get("serviceTier") == told


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, ()),
        ({"n": 1, "logprobs": False, "logit_bias": {}, "modalities": ["text"]}, ()),
        ({"seed": 1, "presence_penalty": 0.5, "top_k": 5, "user": "a", "stop": ["x"]}, ()),
        ({"n": 2}, ("n",)),
        ({"logprobs": True, "top_logprobs": 5}, ("logprobs", "top_logprobs")),
        ({"suffix": "x"}, ("suffix",)),
        ({"modalities": ["text", "audio"], "audio": {"voice": "x"}}, ("modalities", "audio")),
        ({"structured_outputs": {"choice": ["a"]}}, ("structured_outputs",)),
        ({"continue_final_message": True}, ("continue_final_message",)),
        ({"tool_choice": {"type": "function", "function": {"name": "a"}}}, ("tool_choice",)),
        ({"tool_choice": "required", "tools": [function("a")]}, ()),
        ({"parallel_tool_calls": False}, ()),
        ({"parallel_tool_calls": False, "tools": [function("a")]}, ("parallel_tool_calls",)),
        ({"response_format": SCHEMA}, ("response_format",)),
        ({"response_format": {"type": "json_object"}}, ()),
        ({"messages": [user([IMAGE])]}, ("messages",)),
    ],
)
def test_what_a_plain_model_cannot_honour(body: dict[str, Any], named: tuple[str, ...]) -> None:
    assert unsupported(particulars_of({**HI, **body}), PLAIN) == named


@pytest.mark.parametrize(
    "body",
    [
        {"tool_choice": {"type": "function", "function": {"name": "a"}}, "tools": [function("a")]},
        {"parallel_tool_calls": False, "tools": [function("a")]},
        {"response_format": SCHEMA},
        {"messages": [user([IMAGE])]},
    ],
)
def test_an_able_model_can(body: dict[str, Any]) -> None:
    assert unsupported(particulars_of({**HI, **body}), ABLE) == ()
    translate({**HI, **body})


@pytest.mark.parametrize(
    "client", ["kilo-00", "kilo-01", "cline-01", "continue-01", "opencode-01", "aider-00"]
)
def test_what_editors_send_becomes_what_bedrock_takes(client: str, recordings: Path) -> None:
    path = recordings / "client-requests" / f"{client}-post-v1_chat_completions.json"
    body = json.loads(path.read_text(encoding="utf-8"))["body"]
    for name in ("messages", "tools"):  # what was left out of the recording stands there as text
        body[name] = [one for one in body.get(name, ()) if isinstance(one, dict)]
    document = translate(body).document
    assert document["messages"][0]["role"] == "user"
    assert len(document.get("toolConfig", {}).get("tools", [])) == len(body["tools"])
    assert len(json.dumps(document)) > 500
