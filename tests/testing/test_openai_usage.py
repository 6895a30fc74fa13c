"""Token counts in their shapes."""

from __future__ import annotations

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_model import Answer, Choice
from podman_llm.testing.openai_sampling import read_sampling
from podman_llm.testing.openai_tokens import Token
from podman_llm.testing.openai_usage import running_usage, stream_usage, whole_usage

_TOKENS = (Token("a", 3), Token("b", 4))
_ANSWER = Answer(
    prompt=_TOKENS,
    choices=(Choice(_TOKENS, "stop"), Choice(_TOKENS[:1], "stop")),
    sampling=read_sampling({}, vocabulary_size=9, max_model_len=9),
    cached_tokens=1,
    created_tokens=2,
)
_PLAIN = OpenAIDoubleConfig()
_DETAILED = OpenAIDoubleConfig(prompt_tokens_details=True)


def test_all_choices_count() -> None:
    usage = whole_usage(_PLAIN, _ANSWER)
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (2, 3, 5)


def test_details_are_null_in_a_document_and_absent_from_a_stream_unless_enabled() -> None:
    assert whole_usage(_PLAIN, _ANSWER)["prompt_tokens_details"] is None
    assert "prompt_tokens_details" not in stream_usage(_PLAIN, _ANSWER)
    details = stream_usage(_DETAILED, _ANSWER)["prompt_tokens_details"]
    assert details == {"cached_tokens": 1, "created_cache_tokens": 2}
    assert whole_usage(_DETAILED, _ANSWER)["prompt_tokens_details"] == {
        **details,
        "multimodal_tokens": None,
    }


def test_running_usage_counts_what_was_written_so_far() -> None:
    assert running_usage(_ANSWER, 1)["total_tokens"] == 3
