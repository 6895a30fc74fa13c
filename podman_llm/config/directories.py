"""Where a person's own files are, by the XDG base directory rules, on every platform alike.

An XDG variable that is not absolute counts as not set, as its specification says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_NAME = "podman-llm"


def user_config_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Configuration and key files."""
    return _base(environ, "XDG_CONFIG_HOME", ".config")


def user_state_dir(environ: Mapping[str, str] | None = None) -> Path:
    """What is known of the pod; survives reboots."""
    return _base(environ, "XDG_STATE_HOME", ".local/state")


def user_cache_dir(environ: Mapping[str, str] | None = None) -> Path:
    """What may be deleted at any time: answers kept."""
    return _base(environ, "XDG_CACHE_HOME", ".cache")


def _base(environ: Mapping[str, str] | None, variable: str, fallback: str) -> Path:
    environ = os.environ if environ is None else environ  # noqa: TID251 - config keeps the environment
    value = environ.get(variable, "")
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return (Path(value) if Path(value).is_absolute() else home / fallback) / _NAME
