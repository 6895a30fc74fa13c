from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.config.directories import user_cache_dir, user_config_dir, user_state_dir


def test_xdg_variables_name_the_base() -> None:
    environ = {
        "HOME": "/h",
        "XDG_CONFIG_HOME": "/c",
        "XDG_STATE_HOME": "/s",
        "XDG_CACHE_HOME": "/k",
    }
    assert user_config_dir(environ) == Path("/c/podman-llm")
    assert user_state_dir(environ) == Path("/s/podman-llm")
    assert user_cache_dir(environ) == Path("/k/podman-llm")


@pytest.mark.parametrize("value", ["", "relative/dir"])
def test_a_variable_that_is_not_absolute_counts_as_not_set(value: str) -> None:
    environ = {"HOME": "/h", "XDG_STATE_HOME": value}
    assert user_state_dir(environ) == Path("/h/.local/state/podman-llm")


def test_the_process_environment_is_the_default(tmp_path: Path) -> None:
    assert user_config_dir() == tmp_path / "home" / ".config" / "podman-llm"
