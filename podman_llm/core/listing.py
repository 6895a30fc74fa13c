"""When a list of pods may be believed, and which of its pods are ours.

That a pod is listed is always believed. That a pod is *not* listed counts only on a valid list:
providers have answered 200 with an empty list while three pods were billing. So every absence is
cross-checked against what else is known: a look at the pod by id, and what the account is charged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from podman_llm.core.naming import is_marked
from podman_llm.core.pod import MAY_BILL, PodRecord
from podman_llm.core.sight import Gone, Listing, PodSight, PodStatus, Sight, Unknown

RECENT: Final = 24 * 3600.0
"""Seconds for which a non-empty list makes a sudden empty one suspect."""
CHEAPEST: Final = 0.05
"""USD per hour below which what is charged is no GPU: volumes are, and seldom cost as much."""


@dataclass(frozen=True)
class ListView:
    """The pods that exist as far as is known; ``is_valid`` says whether the rest are absent.

    ``at`` is wall seconds, ``count`` the length of the answer, None when there was none.
    """

    pods: tuple[PodSight, ...]
    is_valid: bool
    at: float
    count: int | None
    why: str = ""

    def find(self, pod_id: str) -> PodSight | None:
        """The pod of this id."""
        return next((pod for pod in self.pods if pod.pod_id == pod_id), None)


@dataclass(frozen=True)
class Past:
    """What earlier lists said. ``count`` is the length of the last complete one, None if none."""

    count: int | None
    last_nonempty_at: float | None


def is_suspicious(
    seen: Listing | Unknown, *, record: PodRecord | None, past: Past, at: float
) -> bool:
    """Whether an empty list must be cross-checked before it is believed."""
    return isinstance(seen, Listing) and not seen.pods and _expects_pods(record, past, at)


def judge(
    seen: Listing | Unknown,
    *,
    at: float,
    record: PodRecord | None,
    sight: Sight,
    past: Past,
    spend_per_hour: float | None,
) -> ListView:
    """What may be concluded from one answer to LIST.

    ``sight`` is the look by id at the record's pod, open or closed last; ``Unknown`` if there was
    none. ``spend_per_hour`` is what the account is charged now, None where nobody tells.
    """
    if isinstance(seen, Unknown):
        return ListView((), is_valid=False, at=at, count=None, why=seen.why)
    pods = tuple(pod for pod in seen.pods if pod.status is not PodStatus.TERMINATED)
    doubt = _doubt_of_gap(pods, record, sight) or (
        "" if seen.pods else _doubt_of_empty(record, sight, past, spend_per_hour, at)
    )
    return ListView(pods, is_valid=not doubt, at=at, count=len(seen.pods), why=doubt)


def settle_sight(sight: Sight) -> Sight:
    """A pod shown as TERMINATED is gone; providers keep showing it for a while."""
    if isinstance(sight, PodSight) and sight.status is PodStatus.TERMINATED:
        return Gone()
    return sight


def best_sight(sight: Sight, view: ListView, pod_id: str | None) -> Sight:
    """The look by id, or what the list shows where that found nothing: showing outweighs."""
    if isinstance(sight, PodSight) or pod_id is None:
        return sight
    return view.find(pod_id) or sight


def namesakes(view: ListView, record: PodRecord) -> tuple[PodSight, ...]:
    """The pods that carry this attempt's name and our marks, oldest first."""
    return tuple(pod for pod in ours(view, record.owner) if pod.name == record.name)


def ours(view: ListView, owner: str) -> tuple[PodSight, ...]:
    """The pods of this owner by name and by mark, oldest first."""
    found = (pod for pod in view.pods if is_marked(pod.name, pod.env, owner))
    return tuple(sorted(found, key=_age))


def orphans(view: ListView, record: PodRecord | None, owner: str) -> tuple[PodSight, ...]:
    """Our pods that no open record accounts for; they are ended on sight."""
    return tuple(pod for pod in ours(view, owner) if not _accounts_for(record, pod))


def _accounts_for(record: PodRecord | None, pod: PodSight) -> bool:
    if record is None or not record.is_open:
        return False
    return pod.pod_id == record.pod_id if record.pod_id else pod.name == record.name


def _expects_pods(record: PodRecord | None, past: Past, at: float) -> bool:
    is_recent = past.last_nonempty_at is not None and at - past.last_nonempty_at < RECENT
    return is_recent or (record is not None and record.phase in MAY_BILL)


def _doubt_of_gap(pods: tuple[PodSight, ...], record: PodRecord | None, sight: Sight) -> str:
    if record is None or not record.is_open or record.pod_id is None:
        return ""
    if isinstance(sight, Gone) or any(pod.pod_id == record.pod_id for pod in pods):
        return ""
    return f"the list lacks pod {record.pod_id}, and a look at the pod did not find it gone"


def _doubt_of_empty(
    record: PodRecord | None, sight: Sight, past: Past, spend: float | None, at: float
) -> str:
    if (past.count or 0) > 1:
        return f"the list fell from {past.count} pods to none at once"
    if not _expects_pods(record, past, at) or isinstance(sight, Gone):
        return ""
    if spend is None:
        # Nobody tells what is charged; then a second empty list has to do for confirmation.
        return "" if past.count == 0 else "the list is empty, which nothing confirms yet"
    # Volumes are charged for too, and would make every empty list suspect for ever; where it is
    # known what our pod costs, less than half of that is not our pod.
    least = record.candidate.price_per_hour / 2 if record else CHEAPEST
    return f"the list is empty although ${spend:.3f}/h is being charged" if spend > least else ""


def _age(pod: PodSight) -> tuple[float, str]:
    return (pod.created_at if pod.created_at is not None else float("inf"), pod.pod_id)
