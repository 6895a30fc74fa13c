from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.cache.base import Entry
from podman_llm.cache.codec import Damaged, decode_entry, encode_entry
from tests.contracts.cache import ENTRY, key

entries = st.builds(
    Entry,
    status=st.integers(100, 599),
    headers=st.lists(st.tuples(st.text(), st.text())).map(tuple),
    body=st.binary(),
    stored_at=st.floats(allow_nan=False, allow_infinity=False),
    served_by=st.text(),
    session=st.text(),
    asked_at=st.text(),
)


@given(entries)
def test_any_entry_comes_back_as_it_went_in(entry: Entry) -> None:
    assert decode_entry(key(1), encode_entry(key(1), entry)) == entry


@given(st.data())
def test_a_flipped_bit_anywhere_is_noticed(data: st.DataObject) -> None:
    frame = bytearray(encode_entry(key(1), ENTRY))
    place = data.draw(st.integers(0, len(frame) - 1))
    frame[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Damaged):
        decode_entry(key(1), bytes(frame))


def test_a_cut_anywhere_is_noticed() -> None:
    frame = encode_entry(key(1), ENTRY)
    for length in range(len(frame)):
        with pytest.raises(Damaged):
            decode_entry(key(1), frame[:length])


def test_a_frame_under_another_key_is_damaged() -> None:
    with pytest.raises(Damaged, match="checksum"):
        decode_entry(key(2), encode_entry(key(1), ENTRY))


def test_a_pickle_is_damaged_and_stays_closed() -> None:
    with pytest.raises(Damaged, match="version"):
        decode_entry(key(1), pickle.dumps(ENTRY))


def test_a_sealed_frame_with_other_fields_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = encode_entry(key(1), ENTRY)
    other = frame.replace(b'"served_by"', b'"served_xx"')
    monkeypatch.setattr("podman_llm.cache.codec._checksum", lambda *_: other[5:21])
    with pytest.raises(Damaged, match="not written by this version"):
        decode_entry(key(1), other)
