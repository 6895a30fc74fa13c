from __future__ import annotations

from dataclasses import replace

import pytest

from podman_llm.cache.codec import encode_entry
from podman_llm.cache.listing import HEAD_BYTES, Kept, Selection, kept_as
from tests.contracts.cache import ENTRY, key

KEPT = Kept(key(255), 100, model="tiny/llama@main", served_by="pod/abc", stored_at=1000.0)


def test_an_entry_is_told_by_its_head() -> None:
    frame = encode_entry(key(1), replace(ENTRY, body=b"x" * 100_000, model="m@1"))
    kept = kept_as(key(1), len(frame), frame[:HEAD_BYTES])
    assert kept == Kept(key(1), len(frame), "m@1", ENTRY.served_by, ENTRY.stored_at)


@pytest.mark.parametrize("head", [b"", b"x" * 100, encode_entry(key(1), ENTRY)[:30]])
def test_a_damaged_entry_is_nameless_and_old(head: bytes) -> None:
    assert kept_as(key(1), 7, head) == Kept(key(1), 7, "", "", 0.0)


@pytest.mark.parametrize(
    ("selection", "holds"),
    [
        (Selection(), True),
        (Selection(key=key(255)), True),
        (Selection(key="00000000"), True),
        (Selection(key="ff"), False),
        (Selection(model="tiny/llama@main"), True),
        (Selection(model="tiny/llama"), True),
        (Selection(model="tiny"), False),
        (Selection(model="tiny/llama@other"), False),
        (Selection(older_than=59), True),
        (Selection(older_than=60), False),
        (Selection(model="tiny/llama", older_than=60), False),
        (Selection(key="ff", older_than=1), False),
    ],
)
def test_a_selection_is_all_of_it_at_once(selection: Selection, holds: bool) -> None:
    assert selection.holds(KEPT, now=1060.0) is holds


def test_nothing_said_is_everything() -> None:
    assert Selection().is_everything
    assert not Selection(older_than=0).is_everything
