"""Who we are to the provider: the mark on every pod we make, and the root of their keys.

Kept apart from the state it outlives: with the owner alone, every pod of ours can be found again.
Losing it strands pods; copying it to a second machine makes two controllers fight over them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from podman_llm.errors import StateError
from podman_llm.host import files
from podman_llm.state import documents
from podman_llm.state.paths import StatePaths

_ID_LENGTH = 6
_SECRET_BYTES = 32
_KEY_DIGITS = 40


class Owner(documents.Document):
    """``id`` is public and in every pod's name; ``secret`` never leaves this machine."""

    version: int = 1
    id: Annotated[str, Field(pattern=r"^[a-z2-7]{6}$")]
    secret: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]


def load_owner(paths: StatePaths) -> Owner | None:
    """The owner of this state directory, or None before the first.

    Raises:
        StateError: the file is unreadable or damaged.
    """
    return documents.load(paths.owner, Owner)


def load_or_create_owner(paths: StatePaths, *, token: Callable[[int], bytes]) -> Owner:
    """The owner, made once: when two processes come at the same time, both get the first one's.

    ``token`` gives that many unguessable bytes.

    Raises:
        StateError: the file is unreadable or damaged, or cannot be written.
    """
    if existing := load_owner(paths):
        return existing
    public = base64.b32encode(token(_ID_LENGTH)).decode().lower()[:_ID_LENGTH]
    owner = Owner(id=public, secret=token(_SECRET_BYTES).hex())
    with documents.writing(paths.owner):
        if files.create_atomic(paths.owner, owner.model_dump_json(indent=1).encode() + b"\n"):
            return owner
    winner = load_owner(paths)
    if winner is None:
        raise StateError(f"{paths.owner} vanished while it was read")
    return winner


def pod_key(owner: Owner, pod_name: str) -> str:
    """The key that the pod of this name demands.

    Derived wherever it is needed, so that it is stored nowhere and survives every loss but the
    owner's.
    """
    digest = hmac.new(bytes.fromhex(owner.secret), pod_name.encode(), hashlib.sha256)
    return f"pllm-{digest.hexdigest()[:_KEY_DIGITS]}"
