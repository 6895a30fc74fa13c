from __future__ import annotations

import pytest

from podman_llm.testing.runpod_query import QuerySyntaxError, parse


def test_fields_arguments_and_selections_are_read() -> None:
    (field,) = parse('query GpuTypes { gpuTypes(input: {id: "NVIDIA L4"}) { id price } }', {})
    assert (field.name, field.arguments) == ("gpuTypes", {"input": {"id": "NVIDIA L4"}})
    assert [inner.name for inner in field.selection] == ["id", "price"]


def test_every_kind_of_value_is_read() -> None:
    text = r'mutation { m(i: {a: 1, b: -2.5, c: true, d: null, e: ALL, f: ["x", "\"q\"\n"]}) }'
    (field,) = parse(text, {})
    values = {"a": 1, "b": -2.5, "c": True, "d": None, "e": "ALL", "f": ["x", '"q"\n']}
    assert field.arguments == {"i": values}


def test_variables_aliases_and_comments_are_understood() -> None:
    text = "query Q($input: PodFilter!) { # why\n mine: pod(input: $input) { id } }"
    (field,) = parse(text, {"input": {"podId": "p"}})
    assert (field.alias, field.name) == ("mine", "pod")
    assert field.arguments == {"input": {"podId": "p"}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{ a",
        "{ a(b: ) }",
        "{ a } b",
        "{ }",
        "{ a(b: }) }",
        'mutation { m(i: {value: "say "hi""}) }',
        'mutation { m(i: {value: "two\nlines"}) }',
        "query { ; }",
    ],
)
def test_what_is_no_query_is_a_syntax_error(text: str) -> None:
    with pytest.raises(QuerySyntaxError, match="Syntax Error"):
        parse(text, {})
