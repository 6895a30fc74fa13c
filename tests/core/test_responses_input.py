from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.chat_turns import picture, text
from podman_llm.core.responses_input import chat_messages
from podman_llm.core.translation import Untranslatable


def said(role: str, *parts: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": list(parts), **more}


def user(content: object) -> dict[str, Any]:
    return {"role": "user", "content": content}


SHOWN = {"type": "input_image", "image_url": "https://x/a.png", "detail": "high"}
CALL = {"type": "function_call", "call_id": "c1", "name": "ls", "arguments": '{"a":1}', "id": "fc"}
MADE = {"id": "c1", "type": "function", "function": {"name": "ls", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({"input": "hi"}, [user("hi")]),
        (
            {"input": "hi", "instructions": "be brief"},
            [{"role": "system", "content": "be brief"}, user("hi")],
        ),
        ({"input": [{"role": "user", "content": "hi"}]}, [user("hi")]),
        (
            {"input": [said("developer", {"type": "input_text", "text": "a"}, type="message")]},
            [{"role": "system", "content": "a"}],
        ),
        (
            {"input": [said("user", {"type": "input_text", "text": "a"}, SHOWN, id="msg_1")]},
            [user([text("a"), picture("https://x/a.png", "high")])],
        ),
        (
            {
                "input": [
                    {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x"},
                    said("assistant", {"type": "output_text", "text": "ok", "annotations": []}),
                    CALL,
                    {"type": "function_call_output", "call_id": "c1", "output": "a\nb"},
                    said("assistant", {"type": "refusal", "refusal": "no"}),
                ]
            },
            [
                {"role": "assistant", "content": "ok", "tool_calls": [MADE]},
                {"role": "tool", "tool_call_id": "c1", "content": "a\nb"},
                {"role": "assistant", "content": "no"},
            ],
        ),
        (
            {"input": [CALL | {"namespace": "fs", "arguments": ""}]},
            [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        MADE | {"function": {"name": "fs__ls", "arguments": "{}"}},
                    ],
                }
            ],
        ),
    ],
)
def test_items_become_messages(body: dict[str, Any], messages: list[Any]) -> None:
    assert chat_messages(body) == messages


def test_what_a_tool_shows_is_shown_after_its_result() -> None:
    output = [{"type": "input_text", "text": "a shot"}, SHOWN]
    items = [CALL, {"type": "function_call_output", "call_id": "c1", "output": output}]
    _, result, shown = chat_messages({"input": items})
    assert result["content"] == "a shot"
    assert shown["content"][1] == picture("https://x/a.png", "high")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (None, "input is neither text nor a list of items"),
        ([{"type": "item_reference", "id": "x"}], "input.0 is of type 'item_reference'"),
        ([{"type": "custom_tool_call", "call_id": "c"}], "input.0 is of type 'custom_tool_call'"),
        ([{"type": []}], r"input.0 is of type \[\]"),
        (["hi"], "input.0 is of type None"),
        ([said("tool", text("a"))], "input.0 is of type None"),
        ([{"role": "user", "content": 3}], "input.0.content is neither text"),
        ([{"type": "function_call", "name": "ls"}], "input.0 is of type 'function_call'"),
        ([CALL | {"arguments": {"a": 1}}], "input.0 is of type 'function_call'"),
        ([{"type": "function_call_output", "call_id": "c"}], "type 'function_call_output'"),
        ([said("user", {"type": "input_file"})], "input.0.content.0 is a part of type"),
        ([said("user", {"type": "input_image", "file_id": "f"})], "type 'input_image'"),
        ([said("assistant", SHOWN)], "the assistant shows a picture"),
    ],
)
def test_what_chat_has_no_word_for_is_named(given: object, why: str) -> None:
    with pytest.raises(Untranslatable, match=why):
        chat_messages({"input": given})
