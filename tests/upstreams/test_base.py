from __future__ import annotations

from podman_llm.upstreams.base import end_to_end


def test_headers_of_one_connection_are_not_passed_on() -> None:
    headers = (
        ("Host", "x"),
        ("Connection", "close, X-Mine"),
        ("x-mine", "1"),
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "secret"),
        ("X-Yours", "2"),
        ("x-yours", "3"),
    )
    assert end_to_end(headers, but=frozenset({"host"})) == (("X-Yours", "2"), ("x-yours", "3"))


def test_headers_may_come_from_an_iterator_and_in_any_case() -> None:
    headers = iter([("CONNECTION", "Keep-Alive"), ("Accept", "*/*")])
    assert end_to_end(headers, but=frozenset()) == (("Accept", "*/*"),)


def test_a_header_that_was_not_utf_8_is_not_passed_on() -> None:
    read = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert end_to_end([("a", read), ("b", "café")], but=frozenset()) == (("b", "café"),)
