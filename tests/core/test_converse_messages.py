from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core.converse_messages import call_input
from podman_llm.core.translation import Untranslatable
from tests.core.converse_rules import ABLE, PNG, calls, function, result, translate, turns, user

TOOLS = [function("read"), function("write")]
READ = ("c1", "read", '{"path": "a"}')
WRITE = ("c2", "write", "{}")


def use(identity: str, name: str, **given_input: Any) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": identity, "name": name, "input": given_input}}


def done(identity: str, text: str, **more: Any) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": identity, "content": [{"text": text}], **more}}


def test_system_messages_go_to_the_front_wherever_they_stand() -> None:
    made = translate(
        {
            "messages": [
                {"role": "system", "content": "one"},
                user("hi"),
                {"role": "developer", "content": "two"},
            ]
        }
    ).document
    assert made["system"] == [{"text": "one"}, {"text": "two"}]
    assert made["messages"] == [{"role": "user", "content": [{"text": "hi"}]}]


def test_messages_of_one_role_become_one_turn() -> None:
    assert turns(user("a"), user("b"), {"role": "assistant", "content": "c"}, user("d")) == [
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
        {"role": "assistant", "content": [{"text": "c"}]},
        {"role": "user", "content": [{"text": "d"}]},
    ]


def test_a_conversation_begins_and_ends_with_the_user() -> None:
    said = turns({"role": "assistant", "content": "hello"})
    assert [turn["role"] for turn in said] == ["user", "assistant", "user"]
    assert turns({"role": "system", "content": "be kind"})[0]["role"] == "user"


def test_blank_messages_disappear() -> None:
    assert turns(user("a"), {"role": "assistant", "content": " "}, user("b")) == [
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]}
    ]


def test_calls_and_all_their_results_make_two_turns_with_results_first() -> None:
    said = turns(
        user("go"),
        calls(READ, WRITE, content="I will."),
        user("also this"),
        result("c2", "written"),
        result("c1", [{"type": "text", "text": "text of a"}]),
        tools=TOOLS,
    )
    assert said[1:] == [
        {
            "role": "assistant",
            "content": [{"text": "I will."}, use("c1", "read", path="a"), use("c2", "write")],
        },
        {
            "role": "user",
            "content": [done("c2", "written"), done("c1", "text of a"), {"text": "also this"}],
        },
    ]


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    said = turns(user("go"), calls(READ, WRITE), result("c1", "x"), tools=TOOLS)
    assert said[2]["content"][1] == done("c2", "(This call was not carried out.)", status="error")


def test_the_call_that_ends_a_history_gets_its_result_too() -> None:
    said = turns(user("go"), calls(READ), tools=TOOLS)
    assert said[2]["content"][0]["toolResult"]["status"] == "error"


def test_a_result_without_its_call_becomes_text() -> None:
    said = turns(result("gone", "42"), user("so?"), tools=TOOLS)
    assert said == [
        {"role": "user", "content": [{"text": "[a tool's result]\n42"}, {"text": "so?"}]}
    ]


def test_an_empty_result_says_so() -> None:
    said = turns(user("go"), calls(READ), result("c1", ""), tools=TOOLS)
    assert said[2]["content"] == [done("c1", "(no output)")]


def test_results_may_show_images() -> None:
    shown = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]
    said = turns(user("go"), calls(READ), result("c1", shown), tools=TOOLS)
    assert "image" in said[2]["content"][0]["toolResult"]["content"][0]


def test_ids_that_repeat_from_turn_to_turn_are_told_apart() -> None:
    said = turns(
        user("go"),
        calls(READ),
        result("c1", "one"),
        calls(READ),
        result("c1", "two"),
        tools=TOOLS,
    )
    first, second = (said[index]["content"][0]["toolUse"]["toolUseId"] for index in (1, 3))
    assert first != second
    assert said[4]["content"] == [done(second, "two")]


@pytest.mark.parametrize("offered", [{}, {"tools": []}, {"tools": TOOLS, "tool_choice": "none"}])
def test_without_tools_a_history_with_calls_becomes_text(offered: dict[str, Any]) -> None:
    said = turns(user("go"), calls(READ), result("c1", "x"), **offered)
    assert said[1]["content"] == [{"text": '[called the tool read with {"path": "a"}]'}]
    assert said[2]["content"] == [{"text": "[a tool's result]\nx"}]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("hi", "messages.0"),
        ({"content": "hi"}, "messages.0.role"),
        ({"role": "function", "name": "f", "content": "1"}, "messages.0.role"),
        ({"role": "user", "content": [{"type": "file"}]}, "messages.0.content.0"),
        ({"role": "assistant", "tool_calls": [{"id": "x"}]}, "messages.0.tool_calls.0"),
        ({"role": "assistant", "tool_calls": "x"}, "messages.0.tool_calls.0"),
        (
            {
                "role": "system",
                "content": [
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
                ],
            },
            "messages.0.content",
        ),
    ],
)
def test_a_message_that_cannot_be_said_is_named(message: Any, param: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        turns(message)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("arguments", "given_input"),
    [
        ('{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ("", {}),
        (None, {}),
        ('{"a": ', {"arguments": '{"a": '}),
        ("[1]", {"arguments": "[1]"}),
    ],
)
def test_arguments_become_an_object(arguments: object, given_input: dict[str, Any]) -> None:
    assert call_input(arguments) == given_input


texts = st.text(max_size=5)
identities = st.sampled_from(["c1", "c2", "call 3", "x" * 80])
messages = st.lists(
    st.one_of(
        st.builds(lambda text: {"role": "system", "content": text}, texts),
        st.builds(user, texts),
        st.builds(user, st.lists(st.builds(lambda text: {"type": "text", "text": text}, texts))),
        st.builds(lambda text: {"role": "assistant", "content": text}, texts),
        st.builds(
            lambda ids, text: calls(*((one, "a tool", "{}") for one in ids), content=text),
            st.lists(identities, max_size=3),
            texts,
        ),
        st.builds(result, identities, texts),
    ),
    min_size=1,
    max_size=8,
)


@given(messages, st.booleans())
def test_any_history_becomes_one_that_bedrock_takes(
    history: list[dict[str, Any]], has_tools: bool
) -> None:
    offered = {"tools": [function("a tool")]} if has_tools else {}
    made = translate({"messages": history, **offered}, ABLE)
    told = json.dumps(made.document, ensure_ascii=False)
    said = [one["content"] for one in history if isinstance(one.get("content"), str)]
    assert all(json.dumps(text, ensure_ascii=False)[1:-1] in told for text in said if text.strip())
