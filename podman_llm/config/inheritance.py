"""What child processes get of our environment: everything but the keys."""

from __future__ import annotations

import os

from podman_llm.config.models import Settings
from podman_llm.config.secrets import RUNPOD_API_KEY, RUNPOD_ENDPOINT_API_KEY

_KEYS = frozenset({RUNPOD_API_KEY, RUNPOD_ENDPOINT_API_KEY})


def inherited(settings: Settings | None = None) -> dict[str, str]:
    """The variables a child may see; ``settings`` name the keys of fallbacks."""
    backends = settings.fallback.backends if settings else ()
    hidden = _KEYS | {backend.key_name for backend in backends}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def drop_keys() -> None:
    """Take the keys, once they have been read, out of this process's own environment.

    No child that is started without naming its environment can inherit one then.
    """
    for name in _KEYS:
        os.environ.pop(name, None)
