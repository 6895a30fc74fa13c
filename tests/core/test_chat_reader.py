from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core.chat_answer import Ending, Kind, Usage
from podman_llm.core.chat_reader import Began, ChatReader, Ended, More, Move
from podman_llm.core.translation import Malformed


def delta(reason: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": reason}]}


def call(index: int | None, identity: str | None, name: str | None, said: str) -> dict[str, Any]:
    function = {"arguments": said} | ({"name": name} if name else {})
    made = {"function": function} | ({"id": identity} if identity else {})
    return made if index is None else made | {"index": index}


def read(*chunks: dict[str, Any]) -> tuple[list[Move], Ending]:
    reader = ChatReader()
    moves = [move for chunk in chunks for move in reader.feed(chunk)]
    return [*moves, *reader.end()], reader.ending


def told(moves: list[Move]) -> list[str]:
    """The moves in short, with what has been said at each end."""
    short = []
    for move in moves:
        match move:
            case Began(section):
                short.append(f"{section.number}:{section.kind}")
            case More(_, said):
                short.append(said)
            case Ended(section):
                short.append(f"/{section.said}" + ("!" if section.is_cut else ""))
    return short


def test_one_section_follows_the_other() -> None:
    moves, ending = read(
        delta(role="assistant", content=""),
        delta(reasoning_content="h"),
        delta(reasoning_content="m"),
        delta(content="Let "),
        delta(content="me."),
        delta(tool_calls=[call(0, "c1", "ls", "")]),
        delta(tool_calls=[call(0, None, None, '{"a":')]),
        delta(tool_calls=[call(0, None, None, "1}")]),
        delta(tool_calls=[call(1, "c2", "cat", "{}")]),
        delta("tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    )
    assert told(moves) == [
        *("0:thought", "h", "m", "/hm"),
        *("1:text", "Let ", "me.", "/Let me."),
        *("2:call", '{"a":', "1}", '/{"a":1}'),
        *("3:call", "{}", "/{}"),
    ]
    assert ending == Ending("tool_calls", Usage(3, 2))


def test_several_things_in_one_chunk_are_told_one_after_the_other() -> None:
    calls = [call(0, "c1", "ls", "{}"), call(1, "c2", "cat", "{}")]
    moves, ending = read(delta("stop", reasoning="hm", content="Hi", tool_calls=calls))
    names = [move.section.name for move in moves if isinstance(move, Began)]
    assert names == ["", "", "ls", "cat"]
    assert ending.reason == "tool_calls"


def test_calls_that_come_whole_and_without_a_number_are_calls_of_their_own() -> None:
    made = [delta(tool_calls=[call(None, f"c{n}", "ls", "{}")]) for n in range(2)]
    moves, _ = read(*made)
    assert told(moves) == ["0:call", "{}", "/{}", "1:call", "{}", "/{}"]


def test_an_id_repeated_with_each_piece_is_the_same_call() -> None:
    pieces = [delta(tool_calls=[call(0, "c1", "ls", said)]) for said in ('{"a"', ":1}")]
    assert told(read(*pieces)[0]) == ["0:call", '{"a"', ":1}", '/{"a":1}']


def test_calls_that_all_have_the_same_number_are_told_apart_by_their_ids() -> None:
    made = [delta(tool_calls=[call(0, f"c{n}", "ls", "{}")]) for n in range(2)]
    assert told(read(*made)[0]) == ["0:call", "{}", "/{}", "1:call", "{}", "/{}"]


def test_a_piece_with_an_id_of_its_own_goes_on_with_its_call() -> None:
    begun, rest = call(0, "c1", "ls", '{"a"'), call(0, "other", None, ":1}")
    moves, _ = read(delta(tool_calls=[begun]), delta(tool_calls=[rest]))
    assert told(moves) == ["0:call", '{"a"', ":1}", '/{"a":1}']


def test_a_call_without_arguments_gets_empty_ones() -> None:
    moves, _ = read(delta(tool_calls=[call(0, "c1", "ls", "")]), delta("tool_calls"))
    assert told(moves) == ["0:call", "{}", "/{}"]


def test_without_room_the_last_section_is_cut() -> None:
    moves, ending = read(delta(tool_calls=[call(0, "c1", "ls", '{"a')]), delta("length"))
    assert told(moves)[-1] == '/{"a!'
    assert ending.reason == "length"
    bare, _ = read(delta(tool_calls=[call(0, "c1", "ls", "")]), delta("length"))
    assert told(bare) == ["0:call", "/!"]


def test_text_after_a_call_is_a_section_of_its_own() -> None:
    parts = [delta(content="a"), delta(tool_calls=[call(0, "c", "ls", "{}")]), delta(content="b")]
    assert told(read(*parts)[0])[-3:] == ["2:text", "b", "/b"]


@pytest.mark.parametrize(
    "calls",
    [
        [call(0, None, None, "{}")],
        [call(0, "c1", None, "{}")],
        ["no call"],
        [{"index": 0, "id": "c1", "function": "ls"}],
        [{"index": 0, "id": "c1", "function": {"name": "ls", "arguments": {"a": 1}}}],
    ],
)
def test_a_call_that_never_began_is_malformed(calls: list[Any]) -> None:
    with pytest.raises(Malformed):
        read(delta(tool_calls=calls))


def test_a_call_that_was_left_cannot_go_on() -> None:
    left = [call(0, "c1", "ls", "{"), call(1, "c2", "ls", "{}"), call(0, None, None, "}")]
    with pytest.raises(Malformed):
        read(delta(tool_calls=left))


@pytest.mark.parametrize("chunk", [{}, {"choices": "x"}, {"choices": [{"delta": 3}]}, delta()])
def test_what_says_nothing_makes_no_move(chunk: dict[str, Any]) -> None:
    assert read(chunk) == ([], Ending("", None))


@given(st.lists(st.tuples(st.sampled_from(["content", "reasoning", "refusal"]), st.text())))
def test_nothing_is_lost_and_one_is_open_at_a_time(said: list[tuple[str, str]]) -> None:
    moves, _ = read(*(delta(**{field: text}) for field, text in said))
    assert "".join(move.said for move in moves if isinstance(move, More)) == "".join(
        text for _, text in said
    )
    opened = [type(move) for move in moves if not isinstance(move, More)]
    assert opened == [Began, Ended] * (len(opened) // 2)
    ends = [move.section for move in moves if isinstance(move, Ended)]
    assert [section.number for section in ends] == list(range(len(ends)))
    assert all(section.said for section in ends)
    assert Kind.CALL not in {section.kind for section in ends}
