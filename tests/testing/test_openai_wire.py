"""Bytes as uvicorn and pydantic write them."""

from __future__ import annotations

from aiohttp import web

from podman_llm.testing.openai_wire import DONE, compact, dress, event


def test_json_has_no_spaces_and_keeps_text_unescaped() -> None:
    assert compact({"b": "é\u0013", "a": None}) == '{"b":"é\\u0013","a":null}'


def test_an_event_ends_with_a_blank_line_and_may_have_a_name() -> None:
    assert event({"a": 1}).data == b'data: {"a":1}\n\n'
    assert event({"a": 1}, "x").data == b'event: x\ndata: {"a":1}\n\n'
    assert DONE.data == b"data: [DONE]\n\n"


def test_headers_are_lower_case_and_in_uvicorns_order() -> None:
    given = {"X-Other": "1", "Content-Type": "text/plain", "Content-Length": "2", "Date": "now"}
    response = web.Response(headers=given)
    dress(response, request_id="r1")
    order = ("date", "server", "content-length", "content-type", "vary", "x-request-id", "x-other")
    assert tuple(response.headers) == order


def test_an_empty_answer_has_no_content_type() -> None:
    response = web.Response(headers={"Content-Length": "0", "Content-Type": "text/plain"})
    dress(response, request_id=None)
    assert list(response.headers) == ["server", "content-length", "vary"]
