"""Completions: many prompts, echoes, token ids."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.testing.openai_completions import CompletionJob, admit_completion
from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_errors import Refused
from podman_llm.testing.openai_model import Model

_MODEL = Model(OpenAIDoubleConfig())


def _admit(**body: Any) -> CompletionJob:
    return admit_completion(_MODEL, {"max_tokens": 8, **body}, "1", 1)


def _chunks(job: CompletionJob) -> list[dict[str, Any]]:
    *events, done = job.events()
    assert done.data == b"data: [DONE]\n\n"
    return [json.loads(event.data.removeprefix(b"data: ")) for event in events]


@pytest.mark.parametrize("echo", [False, True])
def test_the_pieces_add_up_to_the_document(*, echo: bool) -> None:
    job = _admit(prompt="def parse(", echo=echo, stream=True)
    text = "".join(chunk["choices"][0]["text"] for chunk in _chunks(job))
    assert text == job.whole()["choices"][0]["text"]
    assert text.startswith("def parse(") == echo


def test_every_prompt_gets_its_choices_numbered_on() -> None:
    document = _admit(prompt=["a", "b"], n=2, temperature=1).whole()
    assert [choice["index"] for choice in document["choices"]] == [0, 1, 2, 3]
    assert document["usage"]["completion_tokens"] == 32


def test_prompts_may_be_token_ids() -> None:
    ids = [token.id for token in _MODEL.vocabulary.tokens("def parse(")]
    assert _admit(prompt=ids, echo=True).whole()["choices"][0]["text"].startswith("def parse(")
    assert len(_admit(prompt=[ids, ids]).whole()["choices"]) == 2


def test_offsets_of_streamed_logprobs_go_on() -> None:
    chunks = _chunks(_admit(prompt="a b", echo=True, logprobs=1, stream=True))
    offsets = [at for chunk in chunks for at in chunk["choices"][0]["logprobs"]["text_offset"]]
    text = _admit(prompt="a b", echo=True, logprobs=1).whole()["choices"][0]
    assert offsets == text["logprobs"]["text_offset"]


def test_only_the_first_event_tells_the_prompts_ids() -> None:
    chunks = _chunks(_admit(prompt="a b", return_token_ids=True, stream=True))
    told = [chunk["choices"][0]["prompt_token_ids"] is not None for chunk in chunks]
    assert told == [True] + [False] * 7


def test_the_last_chunk_alone_has_the_fingerprint() -> None:
    chunks = _chunks(_admit(prompt=["a", "b c d"], stream=True))
    assert [i for i, chunk in enumerate(chunks) if "system_fingerprint" in chunk] == [
        len(chunks) - 1
    ]


def test_an_aborted_stream_ends_each_choice() -> None:
    events = list(_admit(prompt=["a", "b"]).abort_events())
    assert [event.data.count(b'"abort"') for event in events] == [1, 1, 0]
    assert _admit(prompt="a").whole(is_aborted=True)["choices"][0]["finish_reason"] == "abort"


def test_a_missing_prompt_is_refused() -> None:
    with pytest.raises(Refused, match="Either prompt"):
        _admit()
