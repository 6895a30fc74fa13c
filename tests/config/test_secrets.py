from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.config.models import BackendSettings
from podman_llm.config.secrets import (
    RUNPOD_API_KEY,
    RUNPOD_ENDPOINT_API_KEY,
    BackendKey,
    Secret,
    find_backend_key,
    find_secret,
    renewed,
    require_runpod_key,
)
from podman_llm.errors import ConfigError, ProviderRefused


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".config" / "podman-llm").mkdir(parents=True)
    (tmp_path / "credentials").mkdir()
    return {"HOME": str(tmp_path), "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}


def own_file(environ: dict[str, str], content: str, mode: int = 0o600) -> Path:
    path = Path(environ["HOME"]) / ".config" / "podman-llm" / "runpod_api_key"
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
    return path


def test_credentials_come_before_the_file_and_the_file_before_the_environment(
    environ: dict[str, str],
) -> None:
    environ[RUNPOD_API_KEY] = "rpa_environment"
    assert reveal(environ) == "rpa_environment"
    own_file(environ, "rpa_file\n")
    assert reveal(environ) == "rpa_file"
    credential = Path(environ["CREDENTIALS_DIRECTORY"]) / "runpod_api_key"
    credential.write_text("rpa_credential", encoding="utf-8")
    assert reveal(environ) == "rpa_credential"


def reveal(environ: dict[str, str]) -> str:
    return require_runpod_key(environ).reveal()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_file_that_others_can_read_is_refused(environ: dict[str, str], mode: int) -> None:
    path = own_file(environ, "rpa_geheim", mode)
    with pytest.raises(ConfigError) as caught:
        find_secret(RUNPOD_API_KEY, environ)
    assert caught.value.hint == f"chmod 600 {path}"
    assert "geheim" not in caught.value.message


@pytest.mark.parametrize("content", ["", "  \n", "two words", "zeile\nzwei", "schlüssel"])
def test_a_file_that_holds_no_key_is_refused_without_being_shown(
    environ: dict[str, str], content: str
) -> None:
    own_file(environ, content)
    with pytest.raises(ConfigError) as caught:
        find_secret(RUNPOD_API_KEY, environ)
    assert "words" not in caught.value.message
    assert "alone on one line" in caught.value.hint


def test_an_empty_file_is_told_from_one_with_something_else_in_it(environ: dict[str, str]) -> None:
    own_file(environ, "\n")
    with pytest.raises(ConfigError, match="there is no key in it") as caught:
        find_secret(RUNPOD_API_KEY, environ)
    assert "Without the file the environment" in caught.value.hint


def test_the_mark_that_windows_writes_first_is_no_part_of_the_key(environ: dict[str, str]) -> None:
    own_file(environ, "").write_text("rpa_file\r\n", encoding="utf-8-sig")
    assert reveal(environ) == "rpa_file"


def test_a_file_that_is_not_utf_8_is_told_so(environ: dict[str, str]) -> None:
    own_file(environ, "").write_text("rpa_geheim", encoding="utf-16")
    with pytest.raises(ConfigError, match="not written as UTF-8") as caught:
        find_secret(RUNPOD_API_KEY, environ)
    assert "plain text" in caught.value.hint


def test_a_key_is_found_anew_and_what_is_none_leaves_the_one_there_was(
    environ: dict[str, str],
) -> None:
    before = Secret("rpa_before", "environment")
    assert renewed(RUNPOD_API_KEY, before, environ) is before
    own_file(environ, "rpa_new")
    found = renewed(RUNPOD_API_KEY, before, environ)
    assert found is not None
    assert found.reveal() == "rpa_new"
    own_file(environ, "")
    assert renewed(RUNPOD_API_KEY, before, environ) is before


def test_no_key_says_how_to_get_one_and_that_the_demo_needs_none(environ: dict[str, str]) -> None:
    with pytest.raises(ProviderRefused) as caught:
        require_runpod_key(environ | {RUNPOD_API_KEY: " "})
    assert caught.value.exit_code == 9
    assert "Settings, API Keys" in caught.value.message
    assert "up --demo" in caught.value.hint


def test_the_key_of_a_hand_made_server_is_found_the_same_way(environ: dict[str, str]) -> None:
    assert find_secret(RUNPOD_ENDPOINT_API_KEY, environ) is None
    found = find_secret(RUNPOD_ENDPOINT_API_KEY, environ | {RUNPOD_ENDPOINT_API_KEY: "k"})
    assert found is not None
    assert found.reveal() == "k"


def a_backend(key_name: str | None) -> BackendSettings:
    return BackendSettings.model_validate({"name": "a", "models": {"*": "m"}, "key_name": key_name})


def test_a_fallback_whose_key_is_missing_or_bad_says_so_and_disturbs_nobody(
    environ: dict[str, str],
) -> None:
    backend = a_backend("OTHER_API_KEY")
    missing = find_backend_key(backend, environ)
    assert (missing.reveal(), missing.problem) == (None, "has no key: OTHER_API_KEY is not set")
    bad = find_backend_key(backend, environ | {"OTHER_API_KEY": "two words"})
    assert bad.reveal() is None
    assert "environment OTHER_API_KEY" in bad.problem
    assert "two words" not in bad.problem
    good = find_backend_key(backend, environ | {"OTHER_API_KEY": "sk-1"})
    assert (good.reveal(), good.problem) == ("sk-1", "")
    assert find_backend_key(a_backend(None), environ) == BackendKey()


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("rpa_geheim", "environment X")
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}"):
        assert "geheim" not in shown
    assert "environment X" in repr(secret)
