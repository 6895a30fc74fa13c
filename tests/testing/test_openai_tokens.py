"""Pieces that join to the text again, with the same ids in every run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podman_llm.testing.openai_tokens import PrefixCache, Vocabulary, render_chat


@given(st.text())
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(token.text for token in Vocabulary(2048).tokens(text)) == text


@given(st.text())
def test_ids_are_within_the_vocabulary(text: str) -> None:
    assert all(0 < token.id < 2048 for token in Vocabulary(2048).tokens(text))


def test_ids_are_the_same_in_another_vocabulary() -> None:
    assert list(Vocabulary(2048).tokens("a b")) == list(Vocabulary(2048).tokens("a b"))


def test_a_tokenized_text_can_be_detokenized() -> None:
    vocabulary = Vocabulary(150_000)
    ids = [token.id for token in vocabulary.tokens("Hello, world: 1234")]
    assert vocabulary.text(ids) == "Hello, world: 1234"


def test_a_character_beyond_ascii_takes_two_tokens_and_the_first_says_nothing() -> None:
    assert [token.text for token in Vocabulary(2048).tokens("é")] == ["", "é"]


def test_a_conversation_is_rendered_as_chatml() -> None:
    messages = [{"role": "user", "content": "Hi"}]
    assert (
        render_chat({"messages": messages})
        == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert render_chat({"messages": messages, "continue_final_message": True}).endswith("\nHi")


def test_whole_blocks_of_a_prompt_are_known_the_second_time() -> None:
    cache, tokens = PrefixCache(), tuple(Vocabulary(2048).tokens("a b " * 200))
    other = (*tokens[:128], *reversed(tokens[128:256]))
    assert cache.read(tokens[:300]) == (0, 256)
    assert cache.read(tokens[:200]) == (128, 0)
    assert cache.read(other) == (128, 128)
