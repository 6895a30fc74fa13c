"""The keys that clients of the endpoint may show."""

from __future__ import annotations

from pathlib import Path

from podman_llm.errors import ConfigError


def load_client_keys(path: Path) -> tuple[str, ...]:
    """The client keys in ``path``, one per line; blank lines and ``#`` comments do not count.

    Raises:
        ConfigError: the file cannot be read, or names no key, which must not mean that all may ask.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"proxy.api_keys_file: {path} cannot be read: {err}") from err
    keys = tuple(line for line in lines if line and not line.startswith("#"))
    if not keys:
        raise ConfigError(
            f"proxy.api_keys_file: {path} has no key in it", hint="Write one key per line."
        )
    return keys
