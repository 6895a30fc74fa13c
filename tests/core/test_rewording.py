from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.core.completion import Endpoint
from podman_llm.core.rewording import Wording, reword

OPENAI = Wording(takes_vllm_fields=False, limit_field="max_completion_tokens")
VLLM = Wording(takes_vllm_fields=True, limit_field="max_tokens")
EITHER = Wording(takes_vllm_fields=False, limit_field="")


def reworded(
    body: dict[str, Any], wording: Wording = OPENAI, endpoint: Endpoint = Endpoint.CHAT
) -> Any:
    asked = json.dumps({"model": "podman-llm"} | body).encode()
    return json.loads(reword(asked, endpoint, "gpt", wording))


def test_the_model_is_the_services_own_and_the_rest_stays() -> None:
    body = {"temperature": 0.1, "tools": [{"type": "function"}], "unheard_of": {"a": None}}
    assert reworded(body) == body | {"model": "gpt"}


def test_what_only_vllm_knows_stays_with_vllm() -> None:
    body = {"top_k": 20, "min_p": 0.1, "chat_template_kwargs": {"enable_thinking": False}}
    assert reworded(body) == {"model": "gpt"}
    assert reworded(body, VLLM) == body | {"model": "gpt"}


def test_the_pods_reasoning_is_not_echoed_to_others() -> None:
    said = {"role": "assistant", "content": "yes", "reasoning_content": "hm", "reasoning": "hm"}
    messages = [{"role": "user", "content": "?"}, said, "no message"]
    plain = [messages[0], {"role": "assistant", "content": "yes"}, "no message"]
    assert reworded({"messages": messages})["messages"] == plain
    assert reworded({"messages": messages}, VLLM)["messages"] == messages
    assert reworded({"messages": "none"})["messages"] == "none"


@pytest.mark.parametrize(
    ("wording", "told"),
    [
        (OPENAI, {"max_completion_tokens": 5}),
        (VLLM, {"max_tokens": 5}),
        (EITHER, {"max_tokens": 7, "max_completion_tokens": 5}),
    ],
)
def test_the_limit_goes_by_the_name_the_service_knows(
    wording: Wording, told: dict[str, int]
) -> None:
    both = {"max_tokens": 7, "max_completion_tokens": 5}
    assert reworded(both, wording) == told | {"model": "gpt"}


def test_other_dialects_keep_their_own_fields() -> None:
    body = {"max_tokens": 7, "top_k": 3}
    assert reworded(body, OPENAI, Endpoint.MESSAGES) == body | {"model": "gpt"}
    assert reworded(body, OPENAI, Endpoint.COMPLETIONS) == {"max_tokens": 7, "model": "gpt"}


def test_text_that_no_encoding_takes_survives() -> None:
    body = b'{"messages": [{"role": "user", "content": "\\ud800"}]}'
    assert b"\\ud800" in reword(body, Endpoint.CHAT, "gpt", OPENAI)


@pytest.mark.parametrize(
    ("endpoint", "body", "told"),
    [
        (Endpoint.CHAT, {}, {"max_completion_tokens": 9}),
        (Endpoint.CHAT, {"max_completion_tokens": None}, {"max_completion_tokens": 9}),
        (Endpoint.CHAT, {"max_tokens": 5}, {"max_completion_tokens": 5}),
        (Endpoint.COMPLETIONS, {}, {"max_tokens": 9}),
        (Endpoint.RESPONSES, {}, {"max_output_tokens": 9}),
        (Endpoint.RESPONSES, {"max_output_tokens": 5}, {"max_output_tokens": 5}),
        (Endpoint.EMBEDDINGS, {}, {}),
    ],
)
def test_a_request_without_a_limit_gets_the_settings_own(
    endpoint: Endpoint, body: dict[str, Any], told: dict[str, int]
) -> None:
    wording = Wording(takes_vllm_fields=False, limit_field="max_completion_tokens", limit=9)
    assert reworded(body, wording, endpoint) == told | {"model": "gpt"}
