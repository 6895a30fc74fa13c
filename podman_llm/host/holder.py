"""Who has a port, and what a person does about it: often it is another podman-llm."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from podman_llm.host.process import Listener

_ANOTHER_PORT: Final = "or set proxy_port to a free port"
_DEMO: Final = "demo"
"""The name of the demo's directory, in the directory whose pods are real."""


def described(holder: Listener | None) -> tuple[str, str]:
    """The holder for a sentence, and a hint."""
    words = _own_arguments(holder.command if holder else ())
    if holder is None or words is None:
        return str(holder or "another process"), f"end that process, {_ANOTHER_PORT}"
    if words[:1] == ("serve",) or words[:1] == ("dev",):
        who = f"`podman-llm {words[0]}` (pid {holder.pid})"
        return who, f"end it where it runs (Ctrl-C), {_ANOTHER_PORT}"
    command = f"podman-llm{_directory(words)}"
    what_to_do = f"`{command} status` shows it, `{command} --shutdown` ends it and its pod"
    return f"another podman-llm (pid {holder.pid})", f"{what_to_do}; {_ANOTHER_PORT}"


def _own_arguments(command: tuple[str, ...]) -> tuple[str, ...] | None:
    """What a podman-llm was told; None for any other program."""
    for number, word in enumerate(command):
        is_module = word == "podman_llm" and command[number - 1] == "-m"
        is_script = number in {0, 1} and Path(word).name == "podman-llm"
        if is_module or is_script:
            return command[number + 1 :]
    return None


def _directory(words: tuple[str, ...]) -> str:
    """The options that lead there, where the command line names the state directory."""
    if "--state-dir" not in words[:-1]:
        return ""
    directory = Path(words[words.index("--state-dir") + 1])
    if directory.name == _DEMO:
        return f" --state-dir {shlex.quote(str(directory.parent))} --demo"
    return f" --state-dir {shlex.quote(str(directory))}"
