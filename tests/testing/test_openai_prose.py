"""What the double says."""

from __future__ import annotations

import itertools
import json
import random

import jsonschema
import pytest

from podman_llm.testing.openai_prose import answer_pieces, json_for, sentences, topic_words


def _say(prompt: str, seed: int = 1) -> str:
    dice = random.Random(seed)
    count = answer_pieces(prompt, dice)
    return "".join(itertools.islice(sentences(prompt, dice), count))


def test_a_greeting_is_greeted_back() -> None:
    assert _say("Hello!").startswith(("Hello", "Hi"))
    assert "```" not in _say("Hello!")


def test_a_question_for_code_gets_code_that_compiles() -> None:
    for seed in range(10):
        answer = _say("Write a Python function that parses the settings file", seed)
        code = answer.split("```python\n")[1].split("```")[0]
        compile(code, "answer", "exec")
        assert "def parses_settings(" in code


def test_another_question_gets_an_answer_on_its_topic() -> None:
    assert "congestion control" in _say("How is congestion control done?")


def test_what_an_editor_adds_in_tags_is_no_topic() -> None:
    prompt = "Explain backpressure.<environment_details>\nWorking directory\n</environment_details>"
    assert "explain backpressure" in _say(prompt)
    assert "working directory" in _say("<task>working directory</task>")


def test_the_same_dice_say_the_same() -> None:
    assert _say("Explain leases", 7) == _say("Explain leases", 7)
    assert len({_say("Explain leases", seed) for seed in range(5)}) > 1


def test_a_prompt_without_telling_words_has_a_topic_too() -> None:
    assert topic_words("?") == ["the", "question"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "y"]}}},
        {"type": "array", "items": {"type": "number"}},
        {"type": ["string", "null"]},
        {"type": "object", "properties": {"ok": {"type": "boolean"}, "none": {"type": "null"}}},
        {"const": 4},
        {},
    ],
)
def test_documents_fit_their_schema(schema: dict[str, object]) -> None:
    document = json_for(schema, "anything", random.Random(1))
    jsonschema.validate(json.loads(document), schema)


def test_a_string_is_filled_from_the_question() -> None:
    schema: dict[str, object] = {"type": "string"}
    assert json_for(schema, "What is the weather in Prague?", random.Random(1)) == '"Prague"'
    assert json_for(schema, 'Open "main.py" please', random.Random(1)) == '"main.py"'
