"""Types of single fields."""

from __future__ import annotations

from typing import Any

import pytest

from podman_llm.testing.openai_errors import Refused
from podman_llm.testing.openai_fields import (
    Check,
    as_truth,
    check_fields,
    integer,
    listing,
    mapping,
    number,
    prompts,
    record,
    stops,
    string,
    text_of,
    truth,
)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (number, "0.5"),
        (integer, "7"),
        (integer, 7.0),
        (truth, "Yes"),
        (truth, 1),
        (stops, ["a", "b"]),
        (prompts, [[1, 2], [3]]),
        (prompts, ["a", "b"]),
        (record(a=listing(string)), {"a": ["x"], "b": 1}),
    ],
)
def test_what_the_validator_takes_is_taken(check: Check, value: object) -> None:
    assert list(check("body.x", value)) == []


@pytest.mark.parametrize(
    ("check", "value", "kind", "loc"),
    [
        (number, [], "float_type", "body.x"),
        (integer, 7.5, "int_from_float", "body.x"),
        (truth, "maybe", "bool_parsing", "body.x"),
        (string, 1, "string_type", "body.x"),
        (stops, ["a", 1], "string_type", "body.x.1"),
        (mapping, [], "dict_type", "body.x"),
        (listing(string), ["a", 1], "string_type", "body.x.1"),
        (record(a=string), {"a": 1}, "string_type", "body.x.a"),
        (prompts, ["a", 1], "list_type", "body.x"),
        (prompts, {}, "list_type", "body.x"),
    ],
)
def test_what_it_does_not_take_is_told_with_its_place(
    check: Check, value: object, kind: str, loc: str
) -> None:
    (found,) = check("body.x", value)
    assert (found["type"], found["loc"]) == (kind, loc)


def test_null_is_as_good_as_not_given() -> None:
    check_fields({"a": None}, {"a": string, "b": string})
    with pytest.raises(Refused, match=r"body\.a"):
        check_fields({"a": 1}, {"a": string})


@pytest.mark.parametrize(
    ("value", "meant"), [("yes", True), ("off", False), (True, True), (None, False)]
)
def test_strings_count_as_truths_by_their_meaning(value: Any, *, meant: bool) -> None:
    assert as_truth(value) == meant


def test_the_text_of_parts_is_joined() -> None:
    assert text_of([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]) == "ab"
    assert text_of(None) == ""
