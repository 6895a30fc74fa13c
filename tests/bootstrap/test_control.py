from __future__ import annotations

from podman_llm.bootstrap import control
from tests.bootstrap.loads import loaded_by


def test_the_daemon_loads_no_library_of_the_data_plane_s() -> None:
    assert loaded_by("podman_llm.bootstrap.control") == {"requests"}


def test_tokens_are_base32_and_do_not_repeat() -> None:
    tokens = {control._token(12) for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 12 and set(token) <= set(control._BASE32) for token in tokens)
