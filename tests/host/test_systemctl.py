from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.errors import PodmanLLMError
from podman_llm.host.systemctl import systemctl


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``systemctl`` that says what it was asked."""
    script = tmp_path / "systemctl"
    script.write_text('#!/bin/sh\necho "asked: $*"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return script


@pytest.mark.usefixtures("script")
def test_a_person_s_manager_and_the_system_s_are_told_apart() -> None:
    assert systemctl("start", "a.service", is_user=True) == "asked: --user start a.service\n"
    assert systemctl("start", "a.service", is_user=False) == "asked: start a.service\n"


@pytest.mark.parametrize(("is_user", "hint"), [(True, "XDG_RUNTIME_DIR"), (False, "root")])
def test_a_refusal_is_told_in_its_own_words(script: Path, is_user: bool, hint: str) -> None:
    script.write_text("#!/bin/sh\necho 'Unit not found.' >&2\nexit 5\n")
    with pytest.raises(
        PodmanLLMError, match=r"`systemctl .*start x` failed: Unit not found\."
    ) as err:
        systemctl("start", "x", is_user=is_user)
    assert hint in err.value.hint


def test_a_refusal_without_words_has_its_number(script: Path) -> None:
    script.write_text("#!/bin/sh\nexit 5\n")
    with pytest.raises(PodmanLLMError, match="failed: exit 5"):
        systemctl("start", "x", is_user=True)


def test_a_machine_without_it_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PodmanLLMError, match="cannot be run: No such file"):
        systemctl("start", "x", is_user=True)
