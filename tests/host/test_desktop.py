from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.host.desktop import notify


def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    path = tmp_path / "notify-send"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return path


def test_the_text_is_handed_over_and_never_read_as_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch, f'printf "%s|" "$@" > {tmp_path}/shown')
    assert notify("podman-llm", "--ends soon; $(rm)") == ""
    shown = (tmp_path / "shown").read_text()
    assert shown == "--app-name=podman-llm|--|podman-llm|--ends soon; $(rm)|"


def test_a_missing_or_failing_program_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert notify("a", "b") == "notify-send is not installed"
    program(tmp_path, monkeypatch, "exit 3")
    assert notify("a", "b") == "notify-send ended with 3"
