from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.chat_turns import picture, text
from podman_llm.core.messages_content import chat_messages
from podman_llm.core.translation import Untranslatable

CACHED = {"cache_control": {"type": "ephemeral"}}
SHOT = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
USE = {"type": "tool_use", "id": "t1", "name": "ls", "input": {"at": "."}}
RESULT = {"type": "tool_result", "tool_use_id": "t1"}


def said(role: str, content: object) -> dict[str, Any]:
    return {"role": role, "content": content}


def told(*messages: Any, system: Any = None) -> list[Any]:
    return chat_messages({"messages": list(messages), "system": system})


def test_text_is_text() -> None:
    assert told(said("user", "hi"), system="be brief") == [
        said("system", "be brief"),
        said("user", "hi"),
    ]
    blocks = [text("a") | CACHED, text("b") | CACHED]
    assert told(said("user", blocks), system=blocks) == [
        said("system", "a\nb"),
        said("user", [text("a"), text("b")]),
    ]


def test_a_system_message_between_the_others_stays_there() -> None:
    messages = [said("user", "hi"), said("system", "it is late"), said("user", "so?")]
    assert told(*messages) == messages


def test_calls_and_results_keep_their_ids() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "x"}
    both = [RESULT | {"content": [text("a"), text("b")]} | CACHED, text("go on")]
    messages = told(
        said("user", "look"),
        said("assistant", [thought, text("I look."), USE]),
        said("user", both),
    )
    call = {"id": "t1", "type": "function", "function": {"name": "ls", "arguments": '{"at": "."}'}}
    assert messages[1:] == [
        {"role": "assistant", "content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t1", "content": "a\nb"},
        said("user", "go on"),
    ]


def test_what_a_tool_was_called_with_stays_as_it_was_written() -> None:
    messages = told(
        said("assistant", [USE | {"input": {"at": "größe 漢字"}}]), said("user", [RESULT])
    )
    assert messages[0]["tool_calls"][0]["function"]["arguments"] == '{"at": "größe 漢字"}'


def test_results_come_before_what_is_said_with_them() -> None:
    mixed = [text("first"), RESULT | {"content": "a"}, RESULT | {"tool_use_id": "t2"}]
    roles = [message["role"] for message in told(said("assistant", [USE]), said("user", mixed))]
    assert roles == ["assistant", "tool", "tool", "user"]


def test_pictures_are_shown_by_the_user_whoever_took_them() -> None:
    by_url = {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}
    [message] = told(said("user", [SHOT, by_url]))
    assert message["content"] == [picture("data:image/png;base64,AA=="), picture("https://x/a.png")]
    by_tool = said("user", [RESULT | {"content": [SHOT]}])
    assert told(said("assistant", [USE]), by_tool)[-1]["content"][1] == message["content"][0]


def test_a_tool_that_was_found_is_named() -> None:
    found = [{"type": "tool_reference", "tool_name": "Write"}]
    _, result = told(said("assistant", [USE]), said("user", [RESULT | {"content": found}]))
    assert result["content"] == "The tool Write is there to be called."


def test_a_message_of_thoughts_alone_is_none() -> None:
    thoughts = [{"type": "redacted_thinking", "data": "x"}]
    assert told(said("assistant", thoughts), said("user", "hi")) == [said("user", "hi")]


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([], "messages is not a list of messages"),
        ({"role": "user"}, "messages is not a list of messages"),
        (["hi"], "messages.0 is not a message of user"),
        ([said("tool", "hi")], "messages.0 is not a message of user"),
        ([said("user", 3)], "messages.0.content is neither text"),
        ([said("user", [{"type": "document"}])], "messages.0.content.0 is a block of type"),
        ([said("user", [{"type": "image", "source": {"type": "file"}}])], "type 'image'"),
        ([said("user", [{"type": "server_tool_use"}])], "type 'server_tool_use'"),
        ([said("user", ["hi"])], "messages.0.content.0 is a block of type None"),
        ([said("user", [RESULT | {"content": 3}])], "content.0.content is neither text"),
        ([said("assistant", [SHOT]), said("user", "?")], "the assistant shows a picture"),
        ([said("user", "hi"), said("assistant", "The")], "ends with the assistant's own words"),
    ],
)
def test_what_chat_has_no_word_for_is_named(messages: Any, why: str) -> None:
    with pytest.raises(Untranslatable, match=why):
        chat_messages({"messages": messages})


def test_a_picture_in_the_system_is_named() -> None:
    with pytest.raises(Untranslatable, match="the system shows a picture"):
        told(said("user", "hi"), system=[SHOT])
