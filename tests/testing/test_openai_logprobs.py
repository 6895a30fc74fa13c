"""Log probabilities in their shapes."""

from __future__ import annotations

from podman_llm.testing.openai_logprobs import chat_logprobs, completion_logprobs, prompt_logprobs
from podman_llm.testing.openai_tokens import Vocabulary

_VOCABULARY = Vocabulary(2048)
_TOKENS = tuple(_VOCABULARY.tokens("the cat"))


def test_a_token_leads_its_own_ranking() -> None:
    content = chat_logprobs(_VOCABULARY, _TOKENS, 3)["content"]
    for told in content:
        probabilities = [rival["logprob"] for rival in told["top_logprobs"]]
        assert told["top_logprobs"][0]["token"] == told["token"]
        assert told["logprob"] == probabilities[0]
        assert len(probabilities) == 3
        assert bytes(told["bytes"]).decode() == told["token"]


def test_no_rivals_are_told_when_none_are_asked_for() -> None:
    assert chat_logprobs(_VOCABULARY, _TOKENS, 0)["content"][0]["top_logprobs"] == []


def test_columns_begin_at_the_offset() -> None:
    columns = completion_logprobs(_VOCABULARY, _TOKENS, 1, offset=5, has_start=False)
    assert columns["text_offset"] == [5, 8]
    assert columns["tokens"] == ["the", " cat"]
    assert None not in columns["token_logprobs"]


def test_the_first_token_of_a_prompt_has_no_probability() -> None:
    assert prompt_logprobs(_VOCABULARY, _TOKENS, 1)[0] is None
    columns = completion_logprobs(_VOCABULARY, _TOKENS, 1, offset=0, has_start=True)
    assert columns["token_logprobs"][0] is None
    assert columns["top_logprobs"][0] is None


def test_a_row_of_a_prompt_ranks_the_token_and_its_rivals_by_id() -> None:
    row = prompt_logprobs(_VOCABULARY, _TOKENS, 2)[1]
    assert row is not None
    assert [told["rank"] for told in row.values()] == [1, 2, 3]
    assert next(iter(row.values()))["decoded_token"] == " cat"
