"""As much GraphQL as RunPod's clients speak: one operation, fields, arguments, variables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_TOKEN: Final = re.compile(
    r"""[\s,]+ | \#[^\n]*
    | (?P<string>"(?:[^"\\\n]|\\.)*")
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<variable>\$[A-Za-z_]\w*)
    | (?P<mark>[{}()\[\]:!=])""",
    re.VERBOSE,
)


class QuerySyntaxError(Exception):
    """The text is no query. A quote inside a pasted value is the usual cause."""


@dataclass(frozen=True)
class Field:
    """One selected field with its arguments and what is selected below it."""

    name: str
    alias: str
    arguments: Mapping[str, Any]
    selection: tuple[Field, ...]


def parse(text: str, variables: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields that the operation asks for at its root.

    Raises:
        QuerySyntaxError: the text cannot be read.
    """
    return _Reader(list(_tokens(text)), variables).operation()


def _tokens(text: str) -> Any:  # noqa: ANN401 - pairs of kind and text
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise QuerySyntaxError(f"Syntax Error: Unexpected character: {text[position]!r}.")
        if found.lastgroup:
            yield found.lastgroup, found.group()
        position = found.end()


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]], variables: Mapping[str, Any]) -> None:
        self._tokens = tokens
        self._variables = variables
        self._at = 0

    def operation(self) -> tuple[Field, ...]:
        if self._peek() in {"query", "mutation"}:
            self._next()
            while self._peek() != "{":  # the operation's name and the types of its variables
                self._next()
        fields = self._selection()
        if not fields:
            raise QuerySyntaxError('Syntax Error: Expected Name, found "}".')
        if self._peek():
            raise QuerySyntaxError(f'Syntax Error: Unexpected "{self._peek()}".')
        return fields

    def _selection(self) -> tuple[Field, ...]:
        self._expect("{")
        fields = []
        while self._peek() != "}":
            fields.append(self._field())
        self._next()
        return tuple(fields)

    def _field(self) -> Field:
        alias = name = self._name()
        if self._peek() == ":":
            self._next()
            name = self._name()
        arguments = self._pairs("(", ")") if self._peek() == "(" else {}
        return Field(name, alias, arguments, self._selection() if self._peek() == "{" else ())

    def _pairs(self, opening: str, closing: str) -> dict[str, Any]:
        self._expect(opening)
        pairs = {}
        while self._peek() != closing:
            name = self._name()
            self._expect(":")
            pairs[name] = self._value()
        self._next()
        return pairs

    def _value(self) -> Any:  # noqa: ANN401 - any JSON value
        if self._peek() == "{":
            return self._pairs("{", "}")
        if self._peek() == "[":
            return self._list()
        kind, text = self._next()
        match kind:
            case "string" | "number":
                return json.loads(text)
            case "variable":
                return self._variables.get(text[1:])
            case "name":
                return {"true": True, "false": False, "null": None}.get(text, text)
            case _:
                raise QuerySyntaxError(f'Syntax Error: Unexpected "{text}".')

    def _list(self) -> list[Any]:
        self._expect("[")
        items = []
        while self._peek() != "]":
            items.append(self._value())
        self._next()
        return items

    def _name(self) -> str:
        kind, text = self._next()
        if kind != "name":
            raise QuerySyntaxError(f'Syntax Error: Expected Name, found "{text}".')
        return text

    def _expect(self, mark: str) -> None:
        _, text = self._next()
        if text != mark:
            raise QuerySyntaxError(f'Syntax Error: Expected "{mark}", found "{text}".')

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise QuerySyntaxError("Syntax Error: Unexpected <EOF>.")
        self._at += 1
        return self._tokens[self._at - 1]
