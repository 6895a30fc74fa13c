"""Asking systemd to do something with units."""

from __future__ import annotations

import subprocess

from podman_llm.errors import PodmanLLMError


def systemctl(*arguments: str, is_user: bool) -> str:
    """What ``systemctl`` printed; ``is_user`` asks the manager of this person's own units.

    Raises:
        PodmanLLMError: it is missing or has refused; the message holds its own words.
    """
    command = ["systemctl", *(["--user"] if is_user else []), *arguments]
    shown = " ".join(command)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
    except OSError as err:
        raise PodmanLLMError(f"`{shown}` cannot be run: {err.strerror}") from err
    if done.returncode != 0:
        raise PodmanLLMError(
            f"`{shown}` failed: {done.stderr.strip() or f'exit {done.returncode}'}",
            hint="`systemctl --user` needs a login session of its own (XDG_RUNTIME_DIR); `sudo` and"
            " cron have none."
            if is_user
            else "System units are root's.",
        )
    return done.stdout
