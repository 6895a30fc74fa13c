from __future__ import annotations

import pytest

from podman_llm.host.holder import described
from podman_llm.host.process import Listener

PYTHON = "/usr/bin/python3"


@pytest.mark.parametrize(
    ("command", "asked_by"),
    [
        ("python3 -m podman_llm worker --state-dir /s --slot 0", "podman-llm --state-dir /s"),
        ("python3 -m podman_llm daemon --state-dir /s/demo", "podman-llm --state-dir /s --demo"),
        ("python3 /home/me/bin/podman-llm up --foreground", "podman-llm"),
    ],
)
def test_another_podman_llm_with_a_pod_is_named_by_how_it_is_asked(
    command: str, asked_by: str
) -> None:
    who, what_to_do = described(Listener(7, "python3", tuple(command.split())))
    assert who == "another podman-llm (pid 7)"
    assert f"`{asked_by} status`" in what_to_do
    assert f"`{asked_by} --shutdown`" in what_to_do
    assert "proxy_port" in what_to_do


def test_one_in_the_foreground_is_ended_where_it_runs() -> None:
    command = ("/home/me/bin/podman-llm", "serve", "--endpoint", "http://localhost:1")
    who, what_to_do = described(Listener(7, "podman-llm", command))
    assert who == "`podman-llm serve` (pid 7)"
    assert "Ctrl-C" in what_to_do


def test_another_program_is_named_as_the_system_does() -> None:
    who, what_to_do = described(Listener(7, "python3", ("python3", "-m", "http", "podman-llm")))
    assert who == "python3 (pid 7)"
    assert what_to_do == "end that process, or set proxy_port to a free port"


@pytest.mark.parametrize("holder", [None, Listener(None, "")])
def test_a_holder_that_is_hidden_is_some_process(holder: Listener | None) -> None:
    assert described(holder)[0] == "another process"
