from __future__ import annotations

import pytest

from podman_llm.core.chat_turns import Turns, picture, text
from podman_llm.core.translation import Untranslatable

SHOT = picture("data:image/png;base64,AA==")


def test_what_the_assistant_says_and_calls_in_a_row_is_one_message() -> None:
    turns = Turns("input")
    turns.say("system", [text("be"), text("brief")])
    turns.say("user", [text("look")])
    turns.say("assistant", [text("I look")])
    turns.call("c1", "ls", "{}")
    turns.call("c2", "cat", '{"at":"a"}')
    turns.result("c1", [text("a"), text("b")])
    turns.result("c2", [])
    turns.say("assistant", [text("one.")])
    turns.say("assistant", [text("two.")])
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "ls", "arguments": "{}"}},
        {"id": "c2", "type": "function", "function": {"name": "cat", "arguments": '{"at":"a"}'}},
    ]
    assert turns.finish() == [
        {"role": "system", "content": "be\nbrief"},
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": "I look", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "a\nb"},
        {"role": "tool", "tool_call_id": "c2", "content": ""},
        {"role": "assistant", "content": "one.\ntwo."},
    ]


def test_a_call_without_words_has_no_content() -> None:
    turns = Turns("input")
    turns.call("c1", "ls", "{}")
    [message] = turns.finish()
    assert (message["role"], message["content"]) == ("assistant", None)


def test_pictures_of_tools_come_after_all_their_results() -> None:
    turns = Turns("messages")
    turns.call("c1", "shot", "{}")
    turns.call("c2", "ls", "{}")
    turns.result("c1", [text("a shot"), SHOT])
    turns.result("c2", [text("b")])
    turns.say("user", [text("and?"), SHOT])
    _, first, second, shown, said = turns.finish()
    assert (first["content"], second["content"]) == ("a shot", "b")
    assert (shown["role"], shown["content"][1]) == ("user", SHOT)
    assert said == {"role": "user", "content": [text("and?"), SHOT]}


def test_a_picture_at_the_very_end_is_shown_too() -> None:
    turns = Turns("messages")
    turns.result("c1", [SHOT])
    assert [message["role"] for message in turns.finish()] == ["tool", "user"]


def test_nothing_said_is_no_message() -> None:
    turns = Turns("input")
    for role in ("system", "user", "assistant"):
        turns.say(role, [])
    assert turns.finish() == []


@pytest.mark.parametrize("role", ["assistant", "system"])
def test_only_users_show_pictures(role: str) -> None:
    with pytest.raises(Untranslatable, match=f"input: the {role} shows a picture"):
        Turns("input").say(role, [SHOT])


def test_a_picture_may_say_how_closely_it_is_to_be_looked_at() -> None:
    shown = {"url": "https://x/a.png", "detail": "low"}
    assert picture("https://x/a.png", "low") == {"type": "image_url", "image_url": shown}
