"""Pod names: who owns the pod, what it serves, and when it must be gone, readable by anybody.

``pllm-<owner6>-<slug>-<rand12>-x<epoch>`` is at most 51 characters. The hard deadline is in the
name so that a reaper that has lost everything else can still end the pod in time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

TOKEN_LENGTH: Final = 12
"""Random characters that make a name unique; it is never used twice."""

OWNER_MARK: Final = "PLLM_OWNER"
INTENT_MARK: Final = "PLLM_INTENT"
ATTEMPT_MARK: Final = "PLLM_ATTEMPT"
DEADLINE_MARK: Final = "PLLM_DEADLINE"
MODEL_MARK: Final = "PLLM_MODEL"
KEY_MARK: Final = "PLLM_KEY_SHA256"
LEASE_MARK: Final = "PLLM_LEASE"

_SLUG_LENGTH = 14
_NAME = re.compile(
    r"pllm-(?P<owner>[a-z2-7]{6})-(?P<slug>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)"
    rf"-(?P<token>[a-z0-9]{{{TOKEN_LENGTH}}})-x(?P<deadline>\d{{1,11}})"
)


@dataclass(frozen=True)
class PodName:
    """A parsed name. ``deadline`` is wall seconds."""

    owner: str
    slug: str
    token: str
    deadline: float


def make(*, owner: str, model: str, token: str, deadline: float) -> str:
    """The name of one attempt.

    Raises:
        ValueError: the parts do not make a name that ``parse`` reads back; better no pod than one
            that no sweep would find.
    """
    name = f"pllm-{owner}-{_slug(model)}-{token}-x{int(deadline)}"
    if parse(name) is None:
        raise ValueError(f"{name!r} is no pod name: owner or token is malformed")
    return name


def parse(name: str) -> PodName | None:
    """The parts of a name of ours or of another owner's; None for any other name."""
    match = _NAME.fullmatch(name)
    if match is None or len(match["slug"]) > _SLUG_LENGTH:
        return None
    return PodName(match["owner"], match["slug"], match["token"], float(match["deadline"]))


def is_marked(name: str, env: Mapping[str, str], owner: str) -> bool:
    """Whether both the name and the environment say that the pod is this owner's.

    One of them alone is never enough to end a pod: people copy names, and templates copy
    environments.
    """
    parsed = parse(name)
    return (
        parsed is not None
        and parsed.owner == owner
        and env.get(OWNER_MARK) == owner
        and env.get(INTENT_MARK) == name
    )


def is_foreign(env: Mapping[str, str], owner: str) -> bool:
    """Whether the environment names another owner. A missing mark is no proof of that."""
    return env.get(OWNER_MARK, owner) != owner


def _slug(model: str) -> str:
    """The telling end of a model id, in letters that any provider accepts."""
    tail = model.rsplit("/", 1)[-1].lower()
    return re.sub(r"[^a-z0-9]+", "-", tail)[:_SLUG_LENGTH].strip("-") or "model"
