"""The control plane's tick: observe, decide, persist, act, conclude, persist.

Each tick looks at the whole world anew, so that a restart needs no code of its own. At most one
deed is done, and what it presupposes is on disk before it; a crash anywhere leaves a state from
which the next tick goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from podman_llm.config.models import Settings
from podman_llm.core.budget import Caps
from podman_llm.core.cooling import cooling
from podman_llm.core.demand import Demand
from podman_llm.core.lease import Traffic, pod_time
from podman_llm.core.lifecycle import conclude, decide
from podman_llm.core.listing import orphans
from podman_llm.core.naming import TOKEN_LENGTH
from podman_llm.core.notices import Notice
from podman_llm.core.pod import Candidate, PodRecord
from podman_llm.core.sight import PodSight, Terminated
from podman_llm.core.world import Book, Decision, Limits, Wish, World
from podman_llm.host.clock import Clock
from podman_llm.pods.accounts import Accounts
from podman_llm.pods.actuate import Actuator
from podman_llm.pods.book import book_of, is_worth_saving, restored, with_book, with_list
from podman_llm.pods.observe import Look, Observer
from podman_llm.pods.planning import Planner
from podman_llm.providers.base import Prober, Provider
from podman_llm.state.activity import ActivitySummary
from podman_llm.state.desired import Desired
from podman_llm.state.owner import Owner
from podman_llm.state.store import PodState, StateStore

SWEPT_AT_ONCE: Final = 2
"""Strays ended in one tick, which must not take for ever; the next tick goes on with the rest."""
CALLS_A_TICK: Final = 9
"""Most requests to the provider in one tick: the list, the look by id, two for each stray ended
(DELETE, and its substitute), two logs, and the balance. The deed of such a tick is a probe of the
pod; other deeds take up to two requests and come in ticks that read no logs."""


@dataclass(frozen=True)
class Tick:
    """What one tick says: a sentence for people, and when to come again.

    ``settled`` means that nothing is open, nothing is owed, and what is desired is reached or has
    failed for good. ``heeds_demand``: new demand for a sleeping pod is a reason to come sooner.
    """

    note: str
    wait_seconds: float
    settled: bool
    heeds_demand: bool = False


class Controller:
    """The one writer of the pod's state; its user holds the controller's lock.

    ``token`` gives that many random lower-case letters and digits. ``activity`` tells what the
    proxy's workers do, ``demand`` what their requests ask of a pod that sleeps. ``accounts`` keeps
    the ledger, ``announce`` tells a person something once. Between ticks it remembers only hints,
    such as how often a probe failed in a row; losing them delays, and decides nothing.
    """

    def __init__(
        self,
        *,
        provider: Provider,
        prober: Prober,
        store: StateStore,
        owner: Owner,
        clock: Clock,
        token: Callable[[int], str],
        planner: Planner,
        activity: Callable[[], ActivitySummary],
        demand: Callable[[], Demand],
        accounts: Accounts,
        announce: Callable[[Notice, PodRecord], None],
    ) -> None:
        self._provider = provider
        self._store = store
        self._owner = owner
        self._clock = clock
        self._token = token
        self._activity = activity
        self._demand = demand
        self._accounts = accounts
        self._announce = announce
        self._observer = Observer(provider, clock)
        self._actuator = Actuator(provider=provider, prober=prober, owner=owner, planner=planner)
        self._state: PodState | None = None
        self._saved: PodState | None = None
        self._strikes = 0
        self._busy_at: float | None = None

    def tick(self, desired: Desired, settings: Settings) -> Tick:
        """One step towards what is desired.

        Raises:
            StateError: the state cannot be read or written; nothing was done after that.
        """
        state = self._state or self._load(settings)
        look = self._observer.look(state.current, last_nonempty_at=state.last_nonempty_list_at)
        state = self._accounts.with_balance(with_list(state, look.view), self._clock.wall())
        self._state = state
        self._accounts.keep(state, self._now(state), look.view)
        swept, state = self._sweep(state, look, desired)
        world = self._world(state, look, desired, settings)
        decision = decide(world)
        self._persist(decision.book)
        decision = self._act(world, decision, settings)
        self._strikes = decision.strikes
        self._accounts.keep(self._state, self._now(self._state))
        unknown = [self._accounts.problem] if self._accounts.problem else []
        note = "; ".join((decision.note, *swept, *unknown))
        is_settled = decision.is_settled and not swept
        return Tick(note, decision.wait, is_settled, decision.heeds_demand)

    def _load(self, settings: Settings) -> PodState:
        loaded = self._store.load()
        # What was read from an older generation, or from none, is on disk again with the next save.
        self._saved = loaded.state if loaded.origin == "current" else None
        quarantine = settings.provider.quarantine_seconds
        return restored(loaded, self._clock.reading(), quarantine=quarantine)

    def _world(self, state: PodState, look: Look, desired: Desired, settings: Settings) -> World:
        return World(
            reading=self._clock.reading(),
            owner=self._owner.id,
            token=self._token(TOKEN_LENGTH),
            wish=wish_of(desired, settings),
            limits=limits_of(settings),
            book=book_of(state),
            view=look.view,
            sight=look.sight,
            traffic=self._traffic(),
            is_keyed=self._provider.keyed,
            strikes=self._strikes,
            blind_for=look.blind_for,
            spent=self._accounts.spent(state, self._now(state)),
            is_guarded=self._provider.guarded,
            heard=look.heard,
            cold=self._cold(state),
            demand=self._demand(),
        )

    def _cold(self, state: PodState) -> tuple[Candidate, ...]:
        last = (state.current,) if state.current else ()
        return cooling((*last, *state.closed), self._clock.wall())

    def _act(self, world: World, decision: Decision, settings: Settings) -> Decision:
        outcome = self._actuator.do(decision.deed, settings)
        if outcome is None:
            return decision
        after = replace(
            world,
            reading=self._clock.reading(),
            token=self._token(TOKEN_LENGTH),
            book=decision.book,
            strikes=decision.strikes,
        )
        concluded = conclude(after, outcome)
        self._persist(concluded.book)
        return concluded

    def _sweep(
        self, state: PodState, look: Look, desired: Desired
    ) -> tuple[tuple[str, ...], PodState]:
        """End pods of ours that are in no record; never on a list that may not be believed."""
        is_adopting = state.is_rebuilding and desired.want == "up"
        if not look.view.is_valid or is_adopting:
            return (), state
        adopted = _adopting(state, desired)
        found = orphans(look.view, state.current, self._owner.id)
        lost = [pod for pod in found if pod.pod_id != adopted]
        said = tuple(self._end(pod) for pod in lost[:SWEPT_AT_ONCE])
        return said, replace(state, orphan_at=self._clock.wall()) if lost else state

    def _end(self, orphan: PodSight) -> str:
        outcome = self._provider.terminate(orphan.pod_id)
        if isinstance(outcome, Terminated):
            return f"ending pod {orphan.pod_id} of ours, which is in no record"
        return f"pod {orphan.pod_id} of ours is in no record and may be billing ({outcome.why})"

    def _persist(self, book: Book) -> None:
        """On disk before anything is done about it, and before it is believed here."""
        before = self._state or PodState()
        state = with_book(before, book)
        if is_worth_saving(self._saved, state) or not self._store.is_as_left():
            self._store.save(state)
            self._saved = state
        self._state = state
        for notice in state.notices:
            if state.current and notice not in before.notices:
                self._announce(notice, state.current)

    def _now(self, state: PodState) -> float:
        record, reading = state.current, self._clock.reading()
        return pod_time(record, reading) if record and record.is_open else reading.wall

    def _traffic(self) -> Traffic:
        activity = self._activity()
        if activity.in_flight:
            self._busy_at = self._clock.wall()
        return Traffic(
            in_flight=activity.in_flight,
            last_counted_at=activity.last_counted_at,
            busy_at=self._busy_at,
            is_known=activity.known,
        )


def _adopting(state: PodState, desired: Desired) -> str:
    """The id of a pod in no record that the person wants to keep; it is not ours to end yet."""
    record = state.current
    has_begun = record is not None and record.generation == desired.generation
    return desired.adopt if desired.want == "up" and not has_begun else ""


def wish_of(desired: Desired, settings: Settings) -> Wish:
    """What the person wants, as decisions read it."""
    return Wish(
        generation=desired.generation,
        is_up=desired.want == "up",
        now=desired.now,
        extended_seconds=desired.extended_seconds,
        model=settings.modelStoreId,
        adopt=desired.adopt,
    )


def limits_of(settings: Settings) -> Limits:
    """The settings that decisions depend on."""
    pod, provider = settings.pod, settings.provider
    return Limits(
        runtime=settings.runtime_seconds,
        max_extension=pod.max_extension_seconds,
        idle=pod.idle_seconds,
        max_price=settings.price_ceiling,
        provision_timeout=pod.provision_timeout_seconds,
        initial_wait=settings.initial_wait_seconds,
        boot_timeout=settings.boot_timeout_seconds,
        wait_capacity=pod.wait_capacity_seconds,
        max_billed_attempts=pod.max_billed_attempts,
        max_restarts=pod.max_restarts,
        drain=pod.drain_seconds,
        settle=provider.settle_seconds,
        quarantine=provider.quarantine_seconds,
        poll=settings.poll_interval_seconds,
        require_guard=pod.require_guard,
        wake=settings.routing.wake,
        caps=caps_of(settings),
    )


def caps_of(settings: Settings) -> Caps:
    """What may be spent. A pod that cannot boot on what is left is not worth renting."""
    budget = settings.budget
    return Caps(
        usd_per_hour=budget.max_usd_per_hour,
        pods=budget.max_pods,
        usd_per_day=budget.max_usd_per_day,
        usd_total=budget.max_usd_total,
        useful=min(settings.boot_timeout_seconds, settings.runtime_seconds),
    )
