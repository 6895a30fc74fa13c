from __future__ import annotations

import json
from typing import Any

from podman_llm.config.models import BackendSettings
from podman_llm.core.abilities import Needs
from podman_llm.core.completion import Endpoint
from podman_llm.core.routing import NO_DIRECTIVES, locate
from podman_llm.proxy.backends import Backend, backend_of
from podman_llm.proxy.inquiry import Inquiry
from podman_llm.proxy.questions import Ask, Question
from podman_llm.proxy.targets import FixedTarget
from podman_llm.upstreams.openai import OpenAIUpstream
from podman_llm.upstreams.translated import TranslatedUpstream

UPSTREAM = OpenAIUpstream(connect_timeout=1, idle_timeout=1)
CHAT = Needs(Endpoint.CHAT, "podman-llm")


def a_backend(*, problem: str = "", **more: Any) -> Backend:
    settings = BackendSettings.model_validate(
        {"name": "other", "models": {"*": "gpt"}, "base_url": "https://other/v1/", **more}
    )
    return backend_of(settings, UPSTREAM, api_key="sk-1", problem=problem)


def test_a_service_is_asked_in_its_own_words_under_its_own_key() -> None:
    body = json.dumps({"model": "podman-llm", "max_tokens": 5, "top_k": 1}).encode()
    ask = Ask(locate("/chat/completions"), "", body, Question(needs=CHAT), NO_DIRECTIVES, "")
    inquiry = Inquiry("POST", {}, ask, None, "MISS", "r", FixedTarget("http://pod").snapshot())
    upstream, call = a_backend().asked(inquiry)
    assert upstream is UPSTREAM
    assert call.url == "https://other/v1/chat/completions"
    assert json.loads(call.body) == {"model": "gpt", "max_completion_tokens": 5}
    assert dict(call.headers)["Authorization"] == "Bearer sk-1"


def test_another_dialect_is_asked_in_chats_words() -> None:
    said = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "top_k": 1}
    body = json.dumps({"model": "podman-llm", "stream": True, **said}).encode()
    needs = Needs(Endpoint.MESSAGES, "podman-llm")
    ask = Ask(locate("/messages"), "beta=true", body, Question(needs=needs), NO_DIRECTIVES, "")
    target = FixedTarget("http://pod").snapshot()
    inquiry = Inquiry("POST", {"anthropic-beta": "x"}, ask, None, "MISS", "r", target)
    upstream, call = a_backend().asked(inquiry)
    assert isinstance(upstream, TranslatedUpstream)
    assert call.url == "https://other/v1/chat/completions"
    assert json.loads(call.body) == {
        "model": "gpt",
        "messages": said["messages"],
        "max_completion_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    own, plain = a_backend(endpoints=("messages", "chat/completions")).asked(inquiry)
    assert own is UPSTREAM
    assert plain.url == "https://other/v1/messages?beta=true"


def test_without_a_url_it_is_openai() -> None:
    assert a_backend(base_url=None).url == "https://api.openai.com"


def test_bedrock_signs_for_itself_and_takes_either_name_of_the_limit() -> None:
    backend = a_backend(kind="bedrock", base_url=None)
    assert (backend.url, backend.api_key, backend.wording.limit_field) == ("", None, "")


def test_where_calls_are_signed_there_is_no_key_in_them() -> None:
    url = "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"
    backend = a_backend(auth="sigv4", base_url=url)
    assert (backend.url, backend.api_key) == (url.removesuffix("/v1"), None)


def test_what_is_wrong_with_it_counts_before_what_it_lacks() -> None:
    assert a_backend().lack(CHAT) == ""
    assert a_backend().lack(Needs(Endpoint.EMBEDDINGS)) == "does not answer embeddings"
    assert a_backend(problem="has no key: K is not set").lack(CHAT) == "has no key: K is not set"


def test_what_bedrocks_model_cannot_is_known_before_it_is_asked() -> None:
    new, titan = "global.anthropic.claude-sonnet-5-5", "amazon.titan-embed-text-v2:0"
    backend = a_backend(
        kind="bedrock", models={"*": new, "vectors": titan}, endpoints=["chat/completions"]
    )
    forced = Needs(Endpoint.CHAT, "podman-llm", particulars=("tool_choice",))
    assert backend.lack(CHAT) == ""
    assert backend.lack(forced) == f"cannot honour tool_choice with {new}"
    assert backend.lack(Needs(Endpoint.CHAT, "vectors")) == f"has only embeddings by {titan}"
    assert a_backend().lack(forced) == ""


def test_answers_of_other_models_and_other_places_are_kept_apart() -> None:
    models = {"a": "gpt-a", "*": "gpt"}
    here, there = a_backend(models=models), a_backend(models=models, base_url="https://there")
    assert here.served_by("a") == "other/gpt-a"
    tags = {here.tag("a"), here.tag("b"), there.tag("a")}
    assert len(tags) == 3
    assert here.tag("b") == here.tag("c")


def test_its_worst_case_comes_from_the_settings_and_is_unknown_without_them() -> None:
    prices: dict[str, Any] = {"input_usd_per_million": 3, "output_usd_per_million": 15}
    chat = Needs(Endpoint.CHAT, "podman-llm", prompt=1000)
    assert a_backend().quote(chat).micros is None
    assert a_backend(**prices).quote(chat).unknown.startswith("max_answer_tokens")
    assert a_backend(**prices, max_answer_tokens=100).quote(chat).micros == 3000 + 1500
    bedrock = a_backend(kind="bedrock", base_url=None, **prices)
    assert bedrock.quote(chat).micros == 3000 + 8192 * 15
