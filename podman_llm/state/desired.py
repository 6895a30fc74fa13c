"""What the person wants, as the CLI wrote it last."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from podman_llm.errors import Damaged
from podman_llm.host import files
from podman_llm.state import documents, reserve
from podman_llm.state.paths import StatePaths

MENDED_BY: Final = "`podman-llm up` or `podman-llm down` writes it anew, for the pod that there is"


class Desired(documents.Document):
    """One wish. ``generation`` grows by one with each ``up``, never otherwise.

    ``settings`` is the JSON form of the settings in force at that moment: daemon and workers
    follow them, not the files and variables of their own surroundings. ``requested_at`` is wall
    seconds. ``now`` asks to end the pod without waiting for requests in flight.
    ``extended_seconds`` is what ``extend`` has added to the soft deadline in this generation.
    ``adopt`` is the id of a pod of ours to take over instead of making one.
    """

    version: int = 1
    generation: Annotated[int, Field(ge=1)]
    want: Literal["up", "down"]
    settings: dict[str, Any]
    requested_at: float
    now: bool = False
    extended_seconds: float = 0.0
    adopt: str = ""


def load_desired(paths: StatePaths) -> Desired | None:
    """The wish in force, or None if nobody ever wished.

    Raises:
        Damaged: what is there is no wish.
        StateError: the file is unreadable, or a newer podman-llm wrote it.
    """
    try:
        return documents.load(paths.desired, Desired)
    except Damaged as err:
        raise Damaged(err.message, hint=MENDED_BY) from err


def save_desired(paths: StatePaths, desired: Desired) -> None:
    """Make ``desired`` the wish in force; a running daemon sees it within a second.

    The wish that a pod be ended may use the reserve.

    Raises:
        StateError: it cannot be written; the previous wish stays in force.
    """
    write = reserve.write_anyway if desired.want == "down" else files.write_atomic
    documents.save(paths.desired, desired, write=write)


def load_understood(paths: StatePaths) -> Desired | None:
    """The daemon's copy of the last wish that it could follow; None if there is none.

    Raises:
        StateError: the copy is damaged or unreadable.
    """
    return documents.load(paths.understood, Desired)


def save_understood(paths: StatePaths, desired: Desired) -> None:
    """Keep ``desired`` for the day when the wish itself cannot be read.

    Raises:
        StateError: it cannot be written; the older copy stays.
    """
    documents.save(paths.understood, desired)
