"""Ending pods that everybody else has forgotten, with nothing but a key and an owner's id.

It needs no daemon, no lock and no record: what it must know is in the pods' names. Run beside a
state directory it also ends orphans. It acts on a complete list or not at all, and believes that a
pod is gone only after two lists without it and a "not found" by id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from podman_llm.core.listing import ListView, Past, judge, settle_sight
from podman_llm.core.pod import PodRecord
from podman_llm.core.reaping import Found, overdue, strays
from podman_llm.core.sight import Gone, Listing, Sight, TerminateFailed, Unknown
from podman_llm.errors import ProviderUnreachable
from podman_llm.host.clock import Clock
from podman_llm.providers.base import Provider

PATIENCE: Final = 180.0
"""Seconds for the proof; a timer comes again, so there is no need to wait for ever."""
_ROUND: Final = 5.0
_AGAIN: Final = 2.0
"""Seconds until an empty list is asked for again: empty answers to healthy accounts were seen."""


class Fate(StrEnum):
    """What became of a pod that was found."""

    FOUND = "found"
    ENDED = "ended"
    MAY_BILL = "may_bill"
    LEFT_ALONE = "left_alone"


@dataclass(frozen=True)
class Finding:
    """One pod, for people and scripts. ``detail`` says what went wrong, if anything did.

    ``is_stray`` says that it is in no record, and not yet past its deadline.
    """

    pod_id: str
    name: str
    why: str
    fate: Fate
    detail: str = ""
    is_stray: bool = False


class OrphansUnknown(Exception):
    """The records here are lost, or were never here: they do not tell orphans from others."""


@dataclass(frozen=True)
class Home:
    """A state directory of the owner, beside which orphans can be told.

    ``record`` gives the record of now, or raises OrphansUnknown. It is asked after the list: a pod
    that is listed was asked for before, so its record is on disk by then. It is asked again before
    a stray is ended: somebody may have adopted it in between. ``quarantine`` is the seconds in
    which a pod is too young to be a stray.
    """

    owner: str
    record: Callable[[], PodRecord | None]
    quarantine: float


class Reaper:
    """One run. ``settle`` is how many seconds two proofs of absence must be apart."""

    def __init__(
        self, provider: Provider, clock: Clock, *, settle: float, patience: float = PATIENCE
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._settle = settle
        self._patience = patience

    def find(self, owners: frozenset[str], home: Home | None) -> tuple[Finding, ...]:
        """What is past its deadline, or an orphan beside its home.

        Raises:
            ProviderUnreachable: there is no list that can be believed; nothing was done.
        """
        seen = self._list()
        record, may_tell = _record(home)
        view = self._view(seen, record)
        now = self._clock.wall()
        found = [_finding(one) for one in overdue(view.pods, owners, now)]
        if home is not None and may_tell:
            named = {one.pod_id for one in found}
            others = strays(view, record, home.owner, now=now, quarantine=home.quarantine)
            found += [_finding(one, is_stray=True) for one in others if one.pod.pod_id not in named]
        return tuple(found)

    def end(self, findings: Iterable[Finding], home: Home | None) -> tuple[Finding, ...]:
        """Order their end, and prove it within the patience there is.

        What is in a record by now is no stray any more, and is left out.
        """
        record, may_tell = _record(home)
        findings = tuple(
            one for one in findings if not one.is_stray or (may_tell and _is_loose(one, record))
        )
        pending = {one.pod_id for one in findings if one.fate is Fate.FOUND}
        troubles = {pod_id: self._order(pod_id) for pod_id in sorted(pending)}
        gone = self._prove(pending, troubles) if pending else set()
        return tuple(_concluded(one, gone, troubles) for one in findings)

    def _list(self) -> Listing:
        seen = self._provider.list_pods()
        if isinstance(seen, Listing) and not seen.pods:
            self._clock.sleep(_AGAIN)
            seen = self._provider.list_pods()
        if isinstance(seen, Unknown):
            raise ProviderUnreachable(
                f"there is no complete list of pods: {seen.why}",
                hint="Nothing was ended; the next run tries again.",
            )
        return seen

    def _view(self, seen: Listing, record: PodRecord | None) -> ListView:
        """The list, unless it lacks the record's pod and a look by id does not.

        Nothing is ended for not being listed, so that an empty list needs no other witness.
        """
        sight: Sight = Unknown("there is no pod to look at")
        if record and record.is_open and record.pod_id:
            sight = settle_sight(self._provider.get(record.pod_id))
        at = self._clock.wall()
        past = Past(count=None, last_nonempty_at=None)
        view = judge(seen, at=at, record=record, sight=sight, past=past, spend_per_hour=0.0)
        if not view.is_valid:
            raise ProviderUnreachable(
                f"the list of pods contradicts itself: {view.why}",
                hint="Nothing was ended; the next run tries again.",
            )
        return view

    def _prove(self, pending: Collection[str], troubles: dict[str, str]) -> set[str]:
        """Those that are gone: unseen twice, with time between. Who is seen is ended again."""
        began = self._clock.monotonic()
        since: dict[str, float] = {}
        gone: set[str] = set()
        while True:
            absent = self._absent(set(pending) - gone)
            now = self._clock.monotonic()
            for pod_id in sorted(set(pending) - gone):
                if pod_id not in absent:
                    since.pop(pod_id, None)
                    troubles[pod_id] = self._order(pod_id)
                elif now - since.setdefault(pod_id, now) >= self._settle:
                    gone.add(pod_id)
            if len(gone) == len(pending) or now - began >= self._patience:
                return gone
            self._clock.sleep(min(_ROUND, max(self._settle, 0.1)))

    def _absent(self, pod_ids: Collection[str]) -> set[str]:
        seen = self._provider.list_pods()
        if isinstance(seen, Unknown):
            return set()
        shown = {pod.pod_id for pod in seen.pods if not isinstance(settle_sight(pod), Gone)}
        unlisted = set(pod_ids) - shown
        return {one for one in unlisted if isinstance(settle_sight(self._provider.get(one)), Gone)}

    def _order(self, pod_id: str) -> str:
        outcome = self._provider.terminate(pod_id)
        return outcome.why if isinstance(outcome, TerminateFailed) else ""


def _record(home: Home | None) -> tuple[PodRecord | None, bool]:
    """The record beside us, and whether orphans can be told by it."""
    try:
        return (home.record(), True) if home else (None, False)
    except OrphansUnknown:
        return None, False


def _is_loose(finding: Finding, record: PodRecord | None) -> bool:
    return record is None or not record.is_open or record.pod_id not in {None, finding.pod_id}


def _finding(found: Found, *, is_stray: bool = False) -> Finding:
    fate = Fate.FOUND if found.may_end else Fate.LEFT_ALONE
    return Finding(found.pod.pod_id, found.pod.name, found.why, fate, is_stray=is_stray)


def _concluded(finding: Finding, gone: Collection[str], troubles: dict[str, str]) -> Finding:
    if finding.fate is not Fate.FOUND:
        return finding
    if finding.pod_id in gone:
        return replace(finding, fate=Fate.ENDED)
    detail = troubles.get(finding.pod_id) or "ordered to end, not proved gone yet"
    return replace(finding, fate=Fate.MAY_BILL, detail=detail)
