"""Types of single fields, checked and converted as vLLM's validator does it.

A check yields the problems of one value at one place. Strings count as the numbers and truths that
they spell, because the validator is lax in that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from podman_llm.testing.openai_errors import Json, malformed, problem

Check = Callable[[str, object], Iterator[Json]]

_MAX_STOPS = 4
_TRUTHS = {"true", "false", "0", "1", "yes", "no", "on", "off", "t", "f", "y", "n"}


def check_fields(body: Json, checks: Mapping[str, Check]) -> None:
    """Refuse a body in which a field that is given and not null has the wrong type."""
    problems = list(field_problems(body, checks))
    if problems:
        raise malformed(problems)


def field_problems(body: Json, checks: Mapping[str, Check], where: str = "body") -> Iterator[Json]:
    """The problems of all fields of ``body``, in the order of ``checks``."""
    for name, check in checks.items():
        if body.get(name) is not None:
            yield from check(f"{where}.{name}", body[name])


def number(loc: str, value: object) -> Iterator[Json]:
    """A number."""
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            text = "Input should be a valid number, unable to parse string as a number"
            yield problem("float_parsing", loc, text, value)
    elif not isinstance(value, int | float):
        yield problem("float_type", loc, "Input should be a valid number", value)


def integer(loc: str, value: object) -> Iterator[Json]:
    """A whole number."""
    if isinstance(value, str):
        try:
            int(value)
        except ValueError:
            text = "Input should be a valid integer, unable to parse string as an integer"
            yield problem("int_parsing", loc, text, value)
    elif isinstance(value, float) and not value.is_integer():
        text = "Input should be a valid integer, got a number with a fractional part"
        yield problem("int_from_float", loc, text, value)
    elif not isinstance(value, int | float):
        yield problem("int_type", loc, "Input should be a valid integer", value)


def truth(loc: str, value: object) -> Iterator[Json]:
    """A boolean, or a word or number that means one."""
    if isinstance(value, str) and value.lower() not in _TRUTHS:
        text = "Input should be a valid boolean, unable to interpret input"
        yield problem("bool_parsing", loc, text, value)
    elif not isinstance(value, bool | int | str):
        yield problem("bool_type", loc, "Input should be a valid boolean", value)


def string(loc: str, value: object) -> Iterator[Json]:
    """Text."""
    if not isinstance(value, str):
        yield problem("string_type", loc, "Input should be a valid string", value)


def stops(loc: str, value: object) -> Iterator[Json]:
    """A stop string, or a few of them."""
    if isinstance(value, list) and len(value) <= _MAX_STOPS:
        for index, item in enumerate(value):
            yield from string(f"{loc}.{index}", item)
        return
    if isinstance(value, str):
        return
    yield from string(loc, value)
    if isinstance(value, list):
        text = f"List should have at most {_MAX_STOPS} items after validation, not {len(value)}"
        yield problem(
            "too_long", loc, text, value,
            field_type="List", max_length=_MAX_STOPS, actual_length=len(value),
        )  # fmt: skip


def mapping(loc: str, value: object) -> Iterator[Json]:
    """A JSON object."""
    if not isinstance(value, dict):
        yield problem("dict_type", loc, "Input should be a valid dictionary", value)


def listing(of: Check) -> Check:
    """A list whose every item passes ``of``."""

    def check(loc: str, value: object) -> Iterator[Json]:
        if not isinstance(value, list):
            yield problem("list_type", loc, "Input should be a valid list", value)
            return
        for index, item in enumerate(value):
            yield from of(f"{loc}.{index}", item)

    return check


def record(**checks: Check) -> Check:
    """A JSON object whose named fields, where they are given, pass their checks."""

    def check(loc: str, value: object) -> Iterator[Json]:
        if isinstance(value, dict):
            yield from field_problems(value, checks, loc)
        else:
            yield from mapping(loc, value)

    return check


def text_or_list(loc: str, value: object) -> Iterator[Json]:
    """Text, or a list of parts."""
    if not isinstance(value, str | list):
        yield from string(loc, value)


def prompts(loc: str, value: object) -> Iterator[Json]:
    """One prompt or many, each as text or as token ids."""
    if isinstance(value, str):
        return
    yield from listing(_prompt_item)(loc, value)
    if isinstance(value, list) and len({type(item) for item in value}) > 1:
        yield problem("list_type", loc, "Input should be a list of one type", value)


def _prompt_item(loc: str, value: object) -> Iterator[Json]:
    if isinstance(value, list):
        yield from listing(_token_id)(loc, value)
    elif not isinstance(value, str):
        yield from _token_id(loc, value)


def _token_id(loc: str, value: object) -> Iterator[Json]:
    if not isinstance(value, int):
        yield problem("int_type", loc, "Input should be a valid integer", value)


def as_truth(value: object) -> bool:
    """A checked boolean as the validator reads it: strings count by their meaning."""
    if isinstance(value, str):
        return value.lower() in {"true", "1", "yes", "on", "t", "y"}
    return bool(value)


def text_of(content: Any) -> str:  # noqa: ANN401 - whatever a client put into a message
    """The text in a message's content, given as a string or as parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
