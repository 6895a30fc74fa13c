"""A line on the person's desktop, where there is one."""

from __future__ import annotations

import shutil
import subprocess

_PATIENCE = 5.0  # seconds; a notification server that hangs must not hold up the daemon


def notify(title: str, text: str) -> str:
    """Show it by `notify-send`; why that was not possible, or nothing."""
    program = shutil.which("notify-send")
    if program is None:
        return "notify-send is not installed"
    try:
        done = subprocess.run(
            [program, "--app-name=podman-llm", "--", title, text],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        return f"notify-send: {type(err).__name__}"
    return "" if done.returncode == 0 else f"notify-send ended with {done.returncode}"
