from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core.cachekey import (
    IGNORED_FIELDS,
    CacheKey,
    cache_key,
    compile_volatile,
    is_cacheable_request,
)
from podman_llm.errors import ConfigError

BODY: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "Say hello."}],
    "temperature": 0.2,
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(st.text(max_size=8), values, max_size=6)


def digest(body: dict[str, Any], **parts: Any) -> str:
    named = {"endpoint": "chat/completions", "tenant": "t"} | parts
    return cache_key(body=body, **named).digest


def recorded(recordings: Path, name: str) -> dict[str, Any]:
    request = json.loads((recordings / "client-requests" / f"{name}.json").read_text())
    body: dict[str, Any] = request["body"]
    return body


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shuffled(inner) for name, inner in reversed(value.items())}
    return [shuffled(inner) for inner in value] if isinstance(value, list) else value


def types_of(value: Any) -> Any:
    """The value with what ``==`` does not tell apart: 1, 1.0, True, 0.0 and -0.0."""
    if isinstance(value, dict):
        return {name: types_of(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [types_of(inner) for inner in value]
    return (type(value).__name__, repr(value))


def meant(body: dict[str, Any]) -> Any:
    kept = {n: v for n, v in body.items() if n not in {*IGNORED_FIELDS, "stream_options"}}
    if kept.get("stream") in (None, False):
        kept.pop("stream", None)
    return types_of(kept)


@given(bodies)
def test_the_order_of_fields_is_free(body: dict[str, Any]) -> None:
    assert digest(body) == digest(shuffled(body))


@given(bodies, bodies)
def test_different_bodies_have_different_keys(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert (digest(one) == digest(two)) == (meant(one) == meant(two))


@given(bodies)
def test_the_body_is_left_as_it_was(body: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    digest(body, volatile=compile_volatile(["kilo", "."]))
    assert types_of(body) == types_of(before)


@pytest.mark.parametrize("field", sorted(IGNORED_FIELDS))
def test_a_field_that_names_the_caller_is_ignored(field: str) -> None:
    assert digest(BODY | {field: "x"}) == digest(BODY)


@pytest.mark.parametrize(
    "extra",
    [
        {"temperature": 0.3},
        {"top_k": 5},
        {"seed": 1},
        {"guided_choice": ["a"]},
        {"n": 2},
        {"tools": []},
        {"cache_salt": "x"},
        {"stream": True},
        {"messages": [{"role": "user", "content": "say hello."}]},
        {"messages": [{"role": "user", "content": "Say hello. "}]},
        {"messages": [{"role": "user", "content": "Say hello.", "user": "x"}]},
    ],
)
def test_whatever_may_change_the_answer_changes_the_key(extra: dict[str, Any]) -> None:
    assert digest(BODY | extra) != digest(BODY)


@pytest.mark.parametrize("part", ["endpoint", "tenant"])
def test_each_part_beside_the_body_changes_the_key(part: str) -> None:
    assert digest(BODY, **{part: "other"}) != digest(BODY)


def test_each_model_has_a_key_of_its_own() -> None:
    key = CacheKey("a" * 64, "10:00", ("b" * 64, "c" * 64))
    first, second = key.by("m@1"), key.by("m@2")
    assert first == key.by("m@1")
    assert first.asked_at == "10:00"
    assert len({first.digest, second.digest, *first.items, *second.items, *key.items}) == 8


def test_parts_do_not_run_together() -> None:
    assert digest(BODY, tenant="ab", endpoint="c") != digest(BODY, tenant="a", endpoint="bc")
    assert digest(BODY, tenant='a","b', endpoint="c") != digest(BODY, tenant="a", endpoint='b","c')


def test_no_stream_is_stream_false() -> None:
    assert digest(BODY) == digest(BODY | {"stream": False}) == digest(BODY | {"stream": None})


def test_asking_for_the_usage_chunk_does_not_change_the_key_but_other_options_do() -> None:
    stream = BODY | {"stream": True}
    assert digest(stream) == digest(stream | {"stream_options": {"include_usage": True}})
    continuous = {"include_usage": True, "continuous_usage_stats": True}
    assert digest(stream) != digest(stream | {"stream_options": continuous})


def test_numbers_are_told_apart_by_kind_and_not_by_spelling() -> None:
    def key(number: str) -> str:
        return digest(json.loads(f'{{"temperature": {number}}}'))

    assert key("1") != key("1.0")
    assert key("1.0") == key("1e0") == key("10.0e-1")
    assert key("12345678901234567890") != key("12345678901234567891")
    assert key("0.1") != key("0.10000000000000002")


def test_unicode_is_kept_as_it_is() -> None:
    composed, decomposed, lone = "\u00e9", "e\u0301", "\ud83d"
    keys = {digest(BODY | {"suffix": text}) for text in (composed, decomposed, lone, "?")}
    assert len(keys) == 4


def test_a_key_stays_the_same_from_one_version_to_the_next() -> None:
    key = cache_key(body=BODY, endpoint="chat/completions", tenant="")
    assert key == CacheKey("3e8fbe97d77cc89a032d78e787ac16f6045ec89c437608e1da357ad644ee8964")
    own = CacheKey("dc5a9e8ed8312ae14c21ad3459affbad14a35427215107949a801bc3a41c1e16")
    assert key.by("m@1") == own


# volatile text ----------------------------------------------------------------------------------

KILO = compile_volatile(["kilo"])


@pytest.mark.parametrize(
    "name", ["kilo-00-post-v1_chat_completions", "kilo-01-post-v1_chat_completions"]
)
def test_the_message_time_of_kilo_is_cut_and_told(recordings: Path, name: str) -> None:
    body = recorded(recordings, name)
    later = json.loads(json.dumps(body).replace("T21:55:01Z", "T22:07:45Z"))
    parts = {"endpoint": "chat/completions", "tenant": ""}
    first = cache_key(body=body, volatile=KILO, **parts)
    again = cache_key(body=later, volatile=KILO, **parts)
    assert first.digest == again.digest
    assert first.asked_at == "Message time: 2026-11-20T21:55:01Z\n"
    assert again.asked_at == "Message time: 2026-11-20T22:07:45Z\n"
    assert digest(body) != digest(later)


def _environment(lines: str) -> dict[str, Any]:
    text = f"<environment_details>\n{lines}</environment_details>"
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}


def test_the_message_time_is_found_below_other_lines_of_its_block() -> None:
    one = _environment("Active file: a.py\nMessage time: 1\nWorking directory: /\n")
    two = _environment("Active file: a.py\nMessage time: 2\nWorking directory: /\n")
    other = _environment("Active file: b.py\nMessage time: 1\nWorking directory: /\n")
    assert digest(one, volatile=KILO) == digest(two, volatile=KILO)
    assert digest(one, volatile=KILO) != digest(other, volatile=KILO)


@pytest.mark.parametrize(
    "content",
    ["Message time: {}\n", "<environment_details>\n</environment_details>\nMessage time: {}\n"],
)
def test_a_message_time_outside_its_block_is_what_the_person_wrote(content: str) -> None:
    one = {"messages": [{"role": "user", "content": content.format(1)}]}
    two = {"messages": [{"role": "user", "content": content.format(2)}]}
    assert digest(one, volatile=KILO) != digest(two, volatile=KILO)


def test_a_body_without_volatile_text_has_the_key_it_has_without_patterns() -> None:
    assert digest(BODY, volatile=KILO) == digest(BODY)


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "it is 10:00 now"},
        {"input": "it is 10:00 now"},
        {"input": [{"role": "user", "content": "it is 10:00 now"}]},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "at 10:00"}]}]},
        {"messages": [{"role": "user", "content": "it is 10:00 now"}]},
    ],
)
def test_own_patterns_are_cut_wherever_an_endpoint_has_its_text(body: dict[str, Any]) -> None:
    clock = compile_volatile([r"\d\d:\d\d"])
    later = json.loads(json.dumps(body).replace("10:00", "11:30"))
    assert digest(body, volatile=clock) == digest(later, volatile=clock)
    assert digest(body) != digest(later)


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": [1, 2, 3]},
        {"input": [[1, 2], [3]]},
        {"messages": "nonsense", "input": None},
        {"messages": [None, {"content": None}, {"content": [None, {"text": 5}]}]},
    ],
)
def test_what_is_no_message_passes_uncut(body: dict[str, Any]) -> None:
    assert digest(body, volatile=compile_volatile([r"\d"])) == digest(body)


def test_where_something_was_cut_is_part_of_the_key() -> None:
    clock = compile_volatile([r"\d\d:\d\d"])
    texts = ["ab", "a10:00b", "10:00ab", "a10:0010:00b"]
    keys = {digest({"prompt": text}, volatile=clock) for text in texts}
    look_alike = digest({"prompt": {"cut": ["a", "b"]}}, volatile=clock)
    assert len(keys | {look_alike}) == len(texts) + 1


def test_a_named_group_keeps_its_context_in_the_key() -> None:
    pattern = compile_volatile([r"at (?P<cut>\d+) in \w+"])
    one = digest({"prompt": "at 10 in Rome"}, volatile=pattern)
    assert one == digest({"prompt": "at 11 in Rome"}, volatile=pattern)
    assert one != digest({"prompt": "at 10 in Oslo"}, volatile=pattern)


def test_patterns_that_overlap_cut_the_text_once() -> None:
    patterns = compile_volatile([r"\d\d:\d\d", r":\d\d [ap]m", r"never"])
    key = cache_key(body={"prompt": "x 10:00 am y"}, endpoint="", tenant="", volatile=patterns)
    assert key.asked_at == "10:00"


@pytest.mark.parametrize("given_pattern", ["(", "a*", ""])
def test_a_pattern_of_no_use_is_refused_by_name(given_pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"cache\.volatile_patterns") as refusal:
        compile_volatile([given_pattern])
    assert repr(given_pattern) in refusal.value.message
    assert refusal.value.hint


def test_many_blocks_without_a_time_are_searched_quickly() -> None:
    text = "<environment_details>\n" * 20_000  # seconds, were the search not bounded
    assert not cache_key(body={"prompt": text}, endpoint="", tenant="", volatile=KILO).asked_at


# policy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, False),
        ({"temperature": 0}, True),
        ({"temperature": 0.0}, True),
        ({"temperature": 0.1}, False),
        ({"temperature": None}, False),
        ({"temperature": False}, False),
        ({"temperature": "0"}, False),
        ({"seed": 7, "temperature": 1}, True),
        ({"seed": None}, False),
        ({"seed": True}, False),
    ],
)
def test_deterministic_means_cold_or_seeded(body: dict[str, Any], expected: bool) -> None:
    assert is_cacheable_request(body, "deterministic") is expected
    assert is_cacheable_request(body, "all")
    assert not is_cacheable_request(body, "off")


def test_embeddings_have_no_chance_in_them() -> None:
    assert is_cacheable_request({"input": "x"}, "deterministic", "embeddings")
    assert not is_cacheable_request({"input": "x"}, "off", "embeddings")
