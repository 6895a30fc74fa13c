"""Keys: where they are looked for, and a type that cannot be printed by accident.

A key is looked for in systemd's credentials directory, then in a file of the user's configuration
directory that nobody else can read, then in the environment, which every child process and crash
report inherits.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from podman_llm.config.directories import user_config_dir
from podman_llm.config.models import BackendSettings
from podman_llm.errors import ConfigError, ProviderRefused

RUNPOD_API_KEY: Final = "RUNPOD_API_KEY"
RUNPOD_ENDPOINT_API_KEY: Final = "RUNPOD_ENDPOINT_API_KEY"

_ONE_LINE: Final = "Write the key alone on one line, as plain text: no name, no second line."
_OR_REMOVE: Final = " Without the file the environment is looked at."


@dataclass(frozen=True, repr=False)
class Secret:
    """A key that shows itself only to who calls ``reveal``. ``origin`` says where it was found."""

    _value: str
    origin: str

    def reveal(self) -> str:
        """The key itself: for a header, never for a message."""
        return self._value

    def __repr__(self) -> str:
        """Never the key."""
        return f"Secret(*** from {self.origin})"

    __str__ = __repr__


def find_secret(variable: str, environ: Mapping[str, str] | None = None) -> Secret | None:
    """The secret named by its environment variable, from the first place that has it.

    The file names are the variable's in lower case.

    Raises:
        ConfigError: a key file that others can read, or a key with white space inside.
    """
    environ = os.environ if environ is None else environ
    *credentials, own = places_of(variable, environ)
    for credential in credentials:
        if credential.is_file():  # systemd owns its mode
            return _secret(_read(credential), str(credential))
    if own.is_file():
        _require_private(own)
        return _secret(_read(own), str(own))
    value = environ.get(variable, "")
    return _secret(value, f"environment {variable}") if value.strip() else None


def places_of(variable: str, environ: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """The files that the secret is looked for in, first the one that counts first."""
    environ = os.environ if environ is None else environ
    directories = [Path(given)] if (given := environ.get("CREDENTIALS_DIRECTORY")) else []
    return tuple(one / variable.lower() for one in (*directories, user_config_dir(environ)))


def renewed(
    variable: str, before: Secret | None, environ: Mapping[str, str] | None = None
) -> Secret | None:
    """The secret as it is found now; ``before`` where it is not, or where what is there is none."""
    with suppress(ConfigError):
        return find_secret(variable, environ) or before
    return before


@dataclass(frozen=True)
class BackendKey:
    """The key of a fallback.

    Without a ``secret`` it needs none of ours, unless ``problem`` says why it cannot be asked.
    """

    secret: Secret | None = None
    problem: str = ""

    def reveal(self) -> str | None:
        """The key itself, if there is one."""
        return self.secret.reveal() if self.secret else None


def find_backend_key(
    backend: BackendSettings, environ: Mapping[str, str] | None = None
) -> BackendKey:
    """The key of a fallback. What is wrong with it keeps this one out of use and nothing else."""
    if backend.key_name is None:
        return BackendKey()
    try:
        secret = find_secret(backend.key_name, environ)
    except ConfigError as err:
        return BackendKey(problem=f"has a key that is not used: {err.message}")
    return BackendKey(secret, "" if secret else f"has no key: {backend.key_name} is not set")


def require_runpod_key(environ: Mapping[str, str] | None = None) -> Secret:
    """The RunPod API key.

    Raises:
        ProviderRefused: there is none; the message says how to get one.
        ConfigError: as ``find_secret``.
    """
    secret = find_secret(RUNPOD_API_KEY, environ)
    if secret is None:
        raise ProviderRefused(
            "no RunPod API key. Make one in the RunPod console (console.runpod.io) under Settings,"
            f" API Keys, then `export {RUNPOD_API_KEY}=...`, or keep it in"
            f" {user_config_dir(environ) / RUNPOD_API_KEY.lower()} with mode 0600.",
            hint="`podman-llm up --demo` shows everything without an account or a key.",
        )
    return secret


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # Windows' editors begin a file with a mark
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path}: the key is not written as UTF-8", hint=_ONE_LINE) from err
    except OSError as err:
        raise ConfigError(f"{path}: the key cannot be read: {err.strerror}") from err


def _require_private(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(
            f"{path}: a key that others can read (mode {mode:04o}) is not used",
            hint=f"chmod 600 {path}",
        )


def _secret(value: str, origin: str) -> Secret:
    key = value.strip()
    if not key:
        raise ConfigError(f"{origin}: there is no key in it", hint=f"{_ONE_LINE}{_OR_REMOVE}")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"{origin}: the key has characters that no key has", hint=_ONE_LINE)
    return Secret(key, origin)
