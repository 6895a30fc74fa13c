"""Between what decisions remember and what is on disk."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from podman_llm.core.lease import retold
from podman_llm.core.listing import ListView
from podman_llm.core.pod import ClockReading, Phase, PodRecord
from podman_llm.core.rebuild import after_restart
from podman_llm.core.world import Book, Verdict
from podman_llm.state.store import Failure, Loaded, PodState

CLOSED_KEPT: Final = 50
"""Closed pods remembered for ``status`` and the ledger."""
_GREETED_STEP = 60.0  # seconds by which the memory of a pod's last sign of life may lag
_NONEMPTY_STEP = 3600.0  # seconds by which the day-long memory of a non-empty list may lag


def restored(loaded: Loaded, reading: ClockReading, *, quarantine: float) -> PodState:
    """The state a new process goes on from; distrust grows with what was lost."""
    state = loaded.state
    if loaded.origin == "rebuild":
        until = reading.wall + quarantine
        # What was lost may be a pod: an empty list is as suspect as after one that had it.
        return replace(
            state,
            is_rebuilding=True,
            quarantine_until=until,
            last_nonempty_list_at=reading.wall,
        )
    if state.current and state.sleep:
        began = retold(state.sleep.lease_began, state.current, reading)
        state = replace(state, sleep=replace(state.sleep, lease_began=began))
    if state.current is None or not state.current.is_open:
        return state
    is_older = loaded.origin == "previous"
    return replace(state, current=after_restart(state.current, reading, is_older=is_older))


def book_of(state: PodState) -> Book:
    """The part of the state that decisions may change."""
    return Book(
        record=state.current,
        verdict=Verdict(**vars(state.failure)) if state.failure else None,
        waiting=state.waiting,
        is_rebuilding=state.is_rebuilding,
        quarantine_until=state.quarantine_until,
        orphan_at=state.orphan_at,
        notices=state.notices,
        sleep=state.sleep,
    )


def with_book(state: PodState, book: Book) -> PodState:
    """The state after a decision; a closed record that makes room joins the older ones."""
    return replace(
        state,
        current=book.record,
        closed=_closed(state, book.record),
        failure=Failure(**vars(book.verdict)) if book.verdict else None,
        waiting=book.waiting,
        is_rebuilding=book.is_rebuilding,
        quarantine_until=book.quarantine_until,
        orphan_at=book.orphan_at,
        notices=book.notices,
        sleep=book.sleep,
    )


def with_list(state: PodState, view: ListView) -> PodState:
    """The state after a look: when there was a list, and when it last had pods in it."""
    if view.count:
        last = state.last_nonempty_list_at
        is_old = last is None or not 0 <= view.at - last < _NONEMPTY_STEP
        state = replace(state, last_nonempty_list_at=view.at if is_old else last)
    return replace(state, last_list_at=view.at) if view.is_valid else state


def is_worth_saving(saved: PodState | None, state: PodState) -> bool:
    """Whether anything changed that a restart must not forget.

    Uptimes and the times of the last looks move all the while; they are saved with the rest.
    """
    return saved is None or _lasting(saved) != _lasting(state)


def _closed(state: PodState, following: PodRecord | None) -> tuple[PodRecord, ...]:
    last = state.current
    makes_room = last and following and not last.is_open and last.name != following.name
    if last is None or not makes_room or last.phase is Phase.CANCELLED:
        return state.closed
    return (last, *state.closed)[:CLOSED_KEPT]


def _lasting(state: PodState) -> PodState:
    record = state.current
    if record and record.greeted_at is not None:
        minute = record.greeted_at // _GREETED_STEP * _GREETED_STEP
        state = replace(state, current=replace(record, greeted_at=minute))
    return replace(state, last_list_at=None, balance_at=None)
