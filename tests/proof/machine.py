"""The state machine of the property suite: a person, a cloud and a computer, each at its worst.

The real controller over the real files; only the clock and the cloud are made up. The invariants
have the numbers of ``docs/guarantee.md``.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from podman_llm.core.demand import Demand
from podman_llm.core.pod import ALLOWED, CLOSED, Phase, PodRecord, StopReason
from podman_llm.errors import StateError
from podman_llm.pods.controller import Tick
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import Loaded, PodState, StateStore, read_pod_state
from podman_llm.testing.cloud import Cloud, CloudPod, ListFault
from tests.pods.house import OWNER, QUIET, Crash, House
from tests.proof.explorer import FATES, Disk, Odometer, WatchedCloud, stranger

RUNTIME: Final = 900.0
EXTENSION: Final = 600.0
IDLENESS: Final = 800.0
OVERRUN_MOST: Final = 120.0  # I4, beyond the time in which nobody of ours could act
SETTLED_WITHIN: Final = 3000.0  # I12, of good behaviour of all others
FOREIGN = (
    stranger("pllm-zzz777-tiny-000000000000-x1", "zzz777"),
    stranger(f"pllm-{OWNER.id}-tiny-999999999999-x1", "zzz777"),
)
COUNTS: Final[Counter[str]] = Counter()
"""How often each rule was played, for the report."""


class RealDisk(Disk):
    """The real files, and a memory of what was written to them."""

    def __init__(self, house: House, fuse: Odometer, root: Path) -> None:
        super().__init__(fuse, house.true_time)
        self.paths = StatePaths(root)
        self.paths.ensure()
        self._store = StateStore(self.paths, house.clock)
        self.is_damaged = False

    def load(self) -> Loaded:
        loaded = self._store.load()
        if loaded.origin == "fresh":
            self.saves.append(loaded.state)
        return loaded

    def save(self, state: PodState) -> None:
        self._fuse.point("before save")
        self._store.save(state)
        self.saves.append(state)
        self.history.append((self._now(), state))
        self.is_damaged = False
        self._fuse.point("after save")

    def damage(self, *, both: bool, keep: float, flip: bool) -> None:
        """Cut the newest generation, or both, or flip a bit in each; a second flip would mend."""
        if self.is_damaged:
            return
        victims = [self.paths.pod_state, *([self.paths.previous_pod_state] if both else [])]
        for path in victims:
            if path.exists() and (content := bytearray(path.read_bytes())):
                at = min(len(content) - 2, int(len(content) * keep))
                content[at] ^= 0x10
                path.write_bytes(bytes(content) if flip else bytes(content[:at]))
        if both or len(self.saves) < 2:
            self.saves.clear()
        else:
            self.saves.pop()
        self.is_damaged = True

    def is_parsed_as_written(self) -> bool:
        """I9, from outside: the newest generation, the one before it, or a refusal to say."""
        try:
            read = read_pod_state(self.paths)
        except StateError:
            return self.is_damaged
        written = [state for _, state in self.history[-4:]]
        return read in (None, PodState(), *written)


class PodMachine(RuleBasedStateMachine):
    """Rules are what can happen; invariants are looked at after each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="proof-")
        self.house = house = House(runtime_seconds=RUNTIME)
        house.configure(pod={"max_extension_seconds": EXTENSION})
        self.fuse = house.fuse = Odometer()
        self.disk = house.store = RealDisk(house, self.fuse, Path(self.folder.name))
        self.cloud = house.cloud = WatchedCloud(now=house.true_time, disk=self.disk)
        self.strangers: list[CloudPod] = []
        self.has_left = True  # no daemon runs until somebody wishes for something
        self.excused = 0.0
        self.caps: dict[str, float] = {}
        self.said_gone: dict[str, float] = {}
        self.looked_at = 0
        self.idle_while_busy = 0
        self.unproved = 0
        house.restart()

    def teardown(self) -> None:
        try:
            self._all_is_well_that_ends()
        finally:
            self.folder.cleanup()

    @initialize(
        fate=st.sampled_from(sorted(FATES)),
        idle=st.sampled_from([None, 100.0, 400.0]),
        lag=st.sampled_from([0.0, 0.0, 20.0, 40.0]),
        wakes=st.sampled_from([True, True, False]),
    )
    def begin(self, fate: str, idle: float | None, lag: float, wakes: bool) -> None:
        self.cloud.fates.append(FATES[fate])
        self.cloud.list_lag = self.cloud.hidden_for = lag
        self.house.configure(pod={"idle_seconds": idle}, routing={"wake": wakes})

    # What people do -----------------------------------------------------------------------------

    @rule(model=st.sampled_from(["tiny", "tiny", "other"]))
    def up(self, model: str) -> None:
        self._played("up")
        self.house.configure(modelStoreId=model)
        self.house.up()
        self._begin()

    @rule(now=st.booleans())
    def down(self, now: bool) -> None:
        self._played("down")
        self.house.down(now=now)
        self._begin()

    @rule(is_first_up=st.booleans())
    def two_command_lines_at_once(self, is_first_up: bool) -> None:
        """Both read the same wish; the one that writes last wins."""
        self._played("two CLIs")
        before = self.house.desired
        wishes = [self.house.up, self.house.down]
        for wish in wishes if is_first_up else wishes[::-1]:
            self.house.desired = before
            wish()
        self._begin()

    @precondition(lambda self: self.house.desired is not None)
    @rule(seconds=st.sampled_from([60.0, 300.0, 9999.0]))
    def extend(self, seconds: float) -> None:
        self._played("extend")
        self.house.extend(seconds)

    @rule(in_flight=st.sampled_from(range(3)), is_known=st.booleans())
    def requests(self, in_flight: int, is_known: bool) -> None:
        self._played("requests")
        at = self.house.clock.wall()
        self.house.activity = replace(
            QUIET, in_flight=in_flight, last_counted_at=at, known=is_known
        )

    @rule(waits=st.booleans(), leaves=st.booleans())
    def requests_want_a_pod(self, waits: bool, leaves: bool) -> None:
        """They say so whatever the pod does; the proxy is not always the last to know."""
        self._played("requests wake")
        now = self.house.clock.wall()
        held = now if waits and not leaves else None
        self.house.demand = Demand(asked_at=None if waits else now, held_at=held)

    @precondition(lambda self: self.house.settings.routing.wake)
    @rule(asks=st.booleans())
    def nobody_uses_it_for_long(self, asks: bool) -> None:
        """A pod, if there is none, until it sleeps, if it does; then one may want it after all."""
        self._played("idleness")
        if self.house.desired is None or self.house.desired.want == "down":
            self.up("tiny")
        self.house.activity = QUIET
        until = self.house.true_time() + IDLENESS
        while self.house.true_time() < until and not self._is_asleep():
            self._turn()
        if asks:
            self.requests_want_a_pod(waits=True, leaves=False)
        for _ in range(3):
            self._turn()

    # What time and the computer do --------------------------------------------------------------

    @rule(turns=st.sampled_from(range(1, 7)))
    def ticks(self, turns: int) -> None:
        self._played("ticks")
        for _ in range(turns):
            self._turn()

    @rule(seconds=st.sampled_from([20.0, 120.0, 400.0, 1200.0]))
    def wait(self, seconds: float) -> None:
        self._played("wait")
        until = self.house.true_time() + seconds
        while self.house.true_time() < until:
            self._turn()

    @rule(seconds=st.sampled_from([30.0, 700.0, 5000.0]))
    def suspend(self, seconds: float) -> None:
        self._played("suspend")
        self.house.clock.suspend(seconds)
        self.excused += seconds

    @rule(seconds=st.sampled_from([-7200.0, -60.0, 60.0, 7200.0]))
    def step_the_wall_clock(self, seconds: float) -> None:
        """Not forward while it counts how long a lost past may make pods: in the conditions."""
        if seconds < 0 or not self._is_in_quarantine():
            self._played("clock jump")
            self.house.step_wall(seconds)

    @precondition(lambda self: self.house.skew <= 0)
    @rule(seconds=st.sampled_from([20.0, 600.0]))
    def reboot(self, seconds: float) -> None:
        """Not with a clock that is ahead, which would shorten the quarantine: in the conditions."""
        self._played("reboot")
        self.house.clock.reboot(seconds)
        self.excused -= self.house.skew
        self._restart(seconds)

    @rule(points=st.sampled_from(range(26)))
    def crash_soon(self, points: int) -> None:
        self._played("crash")
        self.fuse.left = points

    @rule()
    def restart(self) -> None:
        self._played("restart")
        self._restart(1.0)

    @rule(
        both=st.booleans(),
        keep=st.sampled_from([step / 20 for step in range(21)]),
        flip=st.booleans(),
    )
    def damage_the_state(self, both: bool, keep: float, flip: bool) -> None:
        self._played("state wiped" if both else "state corrupted")
        self.disk.damage(both=both, keep=keep, flip=flip)
        self._restart(1.0)

    # What the provider does ---------------------------------------------------------------------

    @rule(fate=st.sampled_from(sorted(FATES)))
    def next_create(self, fate: str) -> None:
        self._played("create fault")
        self.cloud.fates.append(FATES[fate])

    @rule(fault=st.sampled_from(sorted(ListFault, key=str)), times=st.sampled_from(range(1, 6)))
    def next_lists(self, fault: ListFault, times: int) -> None:
        self._played("list fault")
        self.cloud.list_faults.extend([fault] * times)

    @precondition(lambda self: self.cloud.list_lag)
    @rule()
    def the_lag_ends(self) -> None:
        """It never begins while pods live: what was shown is not hidden again (a condition)."""
        self._played("lag ends")
        self.cloud.list_lag = self.cloud.hidden_for = 0.0

    @rule(
        failing=st.sampled_from(range(4)),
        ignored=st.sampled_from(range(3)),
        denied=st.sampled_from([0.0, 60.0]),
    )
    def deletes(self, failing: int, ignored: int, denied: float) -> None:
        self._played("delete fault")
        self.cloud.failing_deletes, self.cloud.ignored_deletes = failing, ignored
        self.cloud.denied_for = denied
        self.excused += 60.0 * (failing + ignored) + denied

    @rule(deaf=st.booleans())
    def outage(self, deaf: bool) -> None:
        self._played("outage")
        self.cloud.deaf = deaf

    @precondition(lambda self: self.cloud.live())
    @rule(what=st.sampled_from(["vanishes", "restarts", "falls silent", "is heard again"]))
    def a_pod(self, what: str) -> None:
        self._played(f"a pod {what}")
        pod = self.cloud.live()[0]
        if what == "vanishes" and pod not in self.strangers:
            self.cloud.end(pod)
        elif what == "restarts":
            self.cloud.restart(pod)
        else:
            pod.hears = what == "is heard again"

    @precondition(lambda self: len(self.strangers) < len(FOREIGN))
    @rule()
    def a_strangers_pod(self) -> None:
        self._played("a stranger's pod")
        request = FOREIGN[len(self.strangers)]
        fates, self.cloud.fates = self.cloud.fates, type(self.cloud.fates)()
        Cloud.create(self.cloud, request)
        self.cloud.fates = fates
        self.cloud.requests.remove(request)
        self.strangers.append(self.cloud.pods[-1])

    # What must hold -----------------------------------------------------------------------------

    @invariant()
    def all_invariants_hold(self) -> None:
        for name in INVARIANTS:
            getattr(self, name)()
        self.looked_at = len(self.disk.history)

    def i1_one_pod_at_most(self) -> None:
        ours = self._ours()
        assert all(sum(pod.lives(one.created_at) for pod in ours) <= 1 for one in ours)

    def i2_every_request_had_its_fence_on_disk(self) -> None:
        assert self.cloud.unfenced == []

    def i3_no_name_is_asked_for_twice(self) -> None:
        names = [request.name for request in self.cloud.requests]
        assert len(names) == len(set(names))

    def i4_no_pod_outlives_its_deadline_but_for_our_absence(self) -> None:
        for pod in self._ours():
            end = self.house.true_time() if pod.ended_at is None else pod.ended_at
            latest = pod.created_at + RUNTIME + EXTENSION
            assert end <= latest + self.excused + OVERRUN_MOST, pod.pod_id

    def i6_what_is_done_is_absent(self) -> None:
        for at, record in self._new_records():
            if record.phase in {Phase.DONE, Phase.CANCELLED}:
                self.said_gone.setdefault(record.name, at)
        for pod in self._ours():
            at = self.said_gone.get(pod.request.name, float("inf"))
            assert at == float("inf") or (pod.ended_at is not None and pod.ended_at <= at)

    def i7_strangers_are_left_alone(self) -> None:
        assert not any(pod.pod_id in self.cloud.terminated for pod in self.strangers)

    def i8_no_hard_deadline_moves(self) -> None:
        for _, record in self._new_records():
            assert record.soft_deadline <= record.hard_deadline
            assert self.caps.setdefault(record.name, record.hard_deadline) == record.hard_deadline

    def i9_the_state_reads_as_one_that_was_written(self) -> None:
        assert self.disk.is_parsed_as_written()

    def i13_moves_are_those_of_the_table(self) -> None:
        for _, record in self._new_records():
            phases = [move.phase for move in record.transitions]
            for before, after in pairwise(phases):
                assert after in ALLOWED[before], (before, after)

    def i14_a_request_that_left_makes_no_pod(self) -> None:
        for at, state in self.disk.history[self.looked_at :]:
            is_asked_for = state.current is not None and state.current.phase is Phase.SENT
            if is_asked_for and state.sleep is not None:
                self._played("woken")
                assert self.house.demand.is_pressing(
                    since=state.sleep.since, now=at + self.house.skew
                )

    def i15_no_pod_is_idle_while_it_answers(self) -> None:
        assert self.idle_while_busy == 0

    def i16_settled_means_proved(self) -> None:
        assert self.unproved == 0

    # Inside -------------------------------------------------------------------------------------

    def _all_is_well_that_ends(self) -> None:
        """I5 and I12: left alone by faults, all that is ours ends, and nothing comes back."""
        cloud, house = self.cloud, self.house
        cloud.fates.clear()
        cloud.list_faults.clear()
        cloud.deaf, cloud.list_lag, cloud.hidden_for, cloud.denied_for = False, 0.0, 0.0, 0.0
        cloud.failing_deletes = cloud.ignored_deletes = 0
        house.fuse.left = None
        if house.desired is None:
            return
        self.down(now=True)
        until = house.true_time() + SETTLED_WITHIN
        while not self.has_left:
            assert house.true_time() < until, house.notes[-3:]
            self._turn()
        assert not [pod for pod in self._ours() if pod.ended_at is None]
        record = self._last_record()
        assert record is None or record.phase in CLOSED

    def _turn(self) -> None:
        """One tick of the daemon if one runs, and the wait after it."""
        if self.has_left:
            self.house.clock.advance(60.0)
            self.excused += 60.0 * bool(self._ours_live())
            return
        try:
            tick = self.house.tick()
        except Crash:
            self._restart(1.0)
            return
        self._look_at(tick)
        pause = max(tick.wait_seconds, 0.01)
        self.house.clock.advance(pause)
        if self.cloud.deaf or self.cloud.list_faults:
            self.excused += pause

    def _look_at(self, tick: Tick) -> None:
        desired = self.house.desired
        if desired is not None and desired.want == "down" and tick.settled:
            self.has_left = True
            record = self._last_record()
            is_proved = record is None or record.phase is not Phase.DONE or record.evidence
            self.unproved += bool(self._ours_live()) or not is_proved
        record = self._last_record()
        if record and record.phase is Phase.DRAINING and record.reason is StopReason.IDLE:
            began = record.transitions[-1].at
            is_new = abs(began - self.house.clock.wall()) < 0.001
            busy = self.house.activity.known and self.house.activity.in_flight > 0
            self.idle_while_busy += is_new and busy

    def _begin(self) -> None:
        """Whoever wishes for something starts a daemon if none runs."""
        if self.has_left:
            self.has_left = False
            self.house.restart()

    def _restart(self, away: float) -> None:
        self.excused += away
        self.fuse.left = None
        with suppress(Crash):
            self.house.restart()

    def _ours(self) -> list[CloudPod]:
        return [pod for pod in self.cloud.pods if pod not in self.strangers]

    def _ours_live(self) -> list[CloudPod]:
        return [pod for pod in self.cloud.live() if pod not in self.strangers]

    def _new_records(self) -> list[tuple[float, PodRecord]]:
        """What was written since the invariants were looked at last."""
        new = self.disk.history[self.looked_at :]
        return [(at, state.current) for at, state in new if state.current]

    def _last_record(self) -> PodRecord | None:
        return self.disk.saves[-1].current if self.disk.saves else None

    def _is_asleep(self) -> bool:
        record = self._last_record()
        is_over = record is not None and not record.is_open
        return is_over and self.disk.saves[-1].sleep is not None

    def _is_in_quarantine(self) -> bool:
        until = self.disk.saves[-1].quarantine_until if self.disk.saves else float("inf")
        return until is not None and until > self.house.clock.wall()

    def _played(self, what: str) -> None:
        COUNTS[what] += 1


def spends_no_time_on_flushing(_: Any) -> None:
    """Stands in for fsync: a killed process loses no page that it wrote."""


INVARIANTS: Final = tuple(name for name in vars(PodMachine) if re.match(r"i\d+_", name))
