from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.config.client_keys import load_client_keys
from podman_llm.errors import ConfigError


def test_keys_are_lines_that_are_not_comments(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# mine\n one \n\ntwo\n")
    assert load_client_keys(keys) == ("one", "two")


def test_the_mark_that_windows_writes_first_is_no_part_of_a_key(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("one\n", encoding="utf-8-sig")
    assert load_client_keys(keys) == ("one",)


def test_a_key_file_without_keys_opens_the_door_to_nobody(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# none yet\n")
    with pytest.raises(ConfigError, match=f"api_keys_file: {keys} has no key"):
        load_client_keys(keys)


def test_a_key_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"api_keys_file: .*absent cannot be read"):
        load_client_keys(tmp_path / "absent")
