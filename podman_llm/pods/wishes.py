"""What was asked for, as far as this program understands it.

The daemon keeps a copy of each wish that it can follow. Daemon and workers go by that copy while
the wish itself is damaged, gone, or full of settings that only a newer program knows: a pod ends
in time, and an editor is answered, all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from podman_llm.config.models import Settings
from podman_llm.config.recall import recall
from podman_llm.errors import Damaged, StateError
from podman_llm.state.desired import MENDED_BY, Desired, load_desired, load_understood
from podman_llm.state.paths import StatePaths


@dataclass(frozen=True)
class Wish:
    """A wish that can be followed. ``unread`` is why it is not the one that was written last."""

    desired: Desired
    settings: Settings
    unread: StateError | None = None


def wish_in_force(paths: StatePaths, *, last: Wish | None = None) -> Wish | None:
    """The wish written last, else the one followed until then; None if nobody ever wished.

    ``last`` is what the caller itself followed; who has just started goes by the daemon's copy.

    Raises:
        StateError: what was asked for cannot be read, and nothing was understood before.
    """
    try:
        return _written(paths)
    except StateError as err:
        before = last or _understood(paths)
        if before is None:
            raise
        return replace(before, unread=err)


def _written(paths: StatePaths) -> Wish | None:
    desired = load_desired(paths)
    if desired is not None:
        return Wish(desired, recall(desired.settings, paths.desired))
    if paths.understood.exists():
        raise Damaged(f"{paths.desired} is gone", hint=MENDED_BY)
    return None


def _understood(paths: StatePaths) -> Wish | None:
    try:
        desired = load_understood(paths)
        return Wish(desired, recall(desired.settings, paths.understood)) if desired else None
    except StateError:
        return None  # what is wrong with the wish itself is the better thing to say
