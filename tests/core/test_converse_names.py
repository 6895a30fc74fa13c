from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core.converse_names import given_names, safe_id, safe_name


def test_what_fits_stays_as_it_is() -> None:
    assert safe_name("read_file-2") == "read_file-2"
    assert safe_id("chatcmpl-tool-1.a:b") == "chatcmpl-tool-1.a:b"
    assert given_names(["read_file"]) == {}


def test_names_that_differ_only_in_what_is_replaced_stay_apart() -> None:
    assert safe_name("a.b") != safe_name("a/b")
    assert given_names(["a.b", "ab"]) == {safe_name("a.b"): "a.b"}


def test_a_repeated_id_gets_another_name_each_time() -> None:
    taken: set[str] = set()
    for _ in range(4):
        made = safe_id("call_0", taken)
        assert made not in taken
        taken.add(made)
    assert "call_0" in taken


@given(st.text(), st.text())
def test_all_names_and_ids_fit_and_stay_apart(one: str, other: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", safe_name(one))
    assert re.fullmatch(r"[a-zA-Z0-9_.:-]{1,64}", safe_id(one))
    assert (safe_name(one) == safe_name(other)) == (one == other)


def test_a_lone_surrogate_is_no_failure() -> None:
    assert safe_name("\ud800").isascii()
