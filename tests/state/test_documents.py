from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.errors import StateError
from podman_llm.state import documents


class _Note(documents.Document):
    version: int = 1
    text: str


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    assert documents.load(path, _Note) is None
    documents.save(path, _Note(text="ü"))
    assert documents.load(path, _Note) == _Note(text="ü")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"version":1,"text":7}', b'{"version":1}', b"\0" * 64, b"\xff"],
)
def test_damage_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "note.json"
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"note\.json is damaged"):
        documents.load(path, _Note)


def test_an_unknown_field_is_a_newer_program_s_and_never_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    path.write_bytes(b'{"version":1,"text":"a","txet":"b"}')
    with pytest.raises(StateError, match="holds `txet`, which this podman-llm does not") as refused:
        documents.load(path, _Note)
    assert "the newer podman-llm that wrote it" in refused.value.hint


def test_an_older_program_reads_what_uses_nothing_new(tmp_path: Path) -> None:
    class Grown(_Note):
        adopt: str = ""

    path = tmp_path / "note.json"
    documents.save(path, Grown(text="a"))
    assert documents.load(path, _Note) == _Note(text="a")
    documents.save(path, Grown(text="a", adopt="abc"))
    with pytest.raises(StateError, match="adopt"):
        documents.load(path, _Note)


def test_a_newer_document_says_which_version_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    path.write_bytes(b'{"version":7,"text":"a","more":true}')
    with pytest.raises(StateError, match="version 7; this podman-llm reads up to version 1"):
        documents.load(path, _Note)


def test_a_directory_in_the_place_of_the_file_is_unreadable_not_absent(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot read"):
        documents.load(tmp_path, _Note)


def test_a_directory_that_is_gone_is_named_when_saving(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot write"):
        documents.save(tmp_path / "gone" / "note.json", _Note(text="a"))
