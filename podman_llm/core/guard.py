"""What the logs of a young pod tell: whether the guard inside it is armed, and why its host fails.

The guard is the first process in the pod; it ends the pod at its hard deadline without us, and says
so in the log, together with what became of a try of its own key. A log that cannot be read proves
nothing: only one that is whole and does not have the line counts as a pod without a guard.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from podman_llm.core.pod import Guard, Phase, PodRecord
from podman_llm.core.sight import PodSight, PodStatus, Sight

ARMED_WITHIN: Final = 180.0
"""Seconds from the container's start; Python starts in one, and the network may take its time."""
SLOW_START: Final = 30.0
"""Seconds after which a pod that has not reported is asked about at its host as well."""
GRACE: Final = 2700.0
"""Seconds from its start in which a guard with a lease asks for nothing: the model loads."""
LINES: Final = 5000
"""Lines read of a log, the most that RunPod gives; a longer one does not show its beginning."""

_DEADLINE_SLACK = 1.0
_ANNOUNCEMENT = re.compile(r"PLLM-GUARD armed deadline=(?P<deadline>\d{1,11}) selfkey=(?P<key>\w+)")
_HOST_TROUBLE = re.compile(
    r"OCI runtime create failed|nvidia-container-cli: \w+ error|unsatisfied condition: cuda"
    r"|failed to create (shim )?task|no space left on device|exec format error",
    re.IGNORECASE,
)
_LOOKED_AT = frozenset({Phase.PROVISIONING, Phase.BOOTING, Phase.READY, Phase.DEGRADED})
_SECOND_HOST = "have `podman-llm reap` run on a second host"


@dataclass(frozen=True)
class Announcement:
    """The guard's one line. ``self_key`` is the status that a look at its own pod was answered."""

    deadline: float
    self_key: str


@dataclass(frozen=True)
class Heard:
    """What one look at the logs found.

    ``is_whole`` says that the container's log was read from its beginning. ``trouble`` is the
    host's own line when it cannot start the container.
    """

    announced: Announcement | None = None
    is_whole: bool = False
    trouble: str = ""


WORDS: Final[Mapping[Guard, str]] = MappingProxyType(
    {
        Guard.NONE: "none needed",
        Guard.AWAITED: "has not reported yet",
        Guard.ARMED: "armed; ends the pod at its hard deadline without us",
        Guard.KEY_REFUSED: f"armed, but RunPod refuses its key: {_SECOND_HOST}",
        Guard.KEY_UNTRIED: f"armed, but could not try its key: {_SECOND_HOST}",
        Guard.ABSENT: f"not there: {_SECOND_HOST}",
        Guard.UNSEEN: f"unknown, as its log was read too late to tell: {_SECOND_HOST}",
    }
)
"""For people."""

_SOUND = frozenset({Guard.NONE, Guard.AWAITED, Guard.ARMED})


def announcement(line: str) -> Announcement | None:
    """The announcement in a line of the container's log, if it is one."""
    match = _ANNOUNCEMENT.search(line)
    return Announcement(float(match["deadline"]), match["key"]) if match else None


def is_host_trouble(line: str) -> bool:
    """Whether a line of the host's log says that it cannot start the container."""
    return _HOST_TROUBLE.search(line) is not None


def is_awaited(record: PodRecord, sight: Sight) -> bool:
    """Whether there is something to learn from the logs of this record's pod."""
    waits = record.guard is Guard.AWAITED and record.phase in _LOOKED_AT
    return waits and isinstance(sight, PodSight)


def runs(sight: Sight) -> bool:
    """Whether the provider says that the container runs."""
    return isinstance(sight, PodSight) and sight.status is PodStatus.RUNNING


def judged(record: PodRecord, heard: Heard | None, now: float) -> Guard:
    """What is known of the guard after one more look."""
    if heard is None or record.guard is not Guard.AWAITED:
        return record.guard
    if heard.announced:
        return _announced(record, heard.announced)
    running = 0.0 if record.running_at is None else now - record.running_at
    if running <= ARMED_WITHIN:
        return Guard.AWAITED
    return Guard.ABSENT if heard.is_whole else Guard.UNSEEN


def warning(record: PodRecord) -> str:
    """What a person should know of the guard; empty while there is nothing to worry about."""
    return "" if record.guard in _SOUND else f"its guard is {WORDS[record.guard]}"


def _announced(record: PodRecord, said: Announcement) -> Guard:
    if said.deadline > record.hard_deadline + _DEADLINE_SLACK:
        return Guard.ABSENT  # it guards something else than this pod's deadline
    if said.self_key == "200":
        return Guard.ARMED
    is_refusal = said.self_key in {"401", "403", "404", "none"}
    return Guard.KEY_REFUSED if is_refusal else Guard.KEY_UNTRIED
