"""The crash explorer: whole lives of a pod under every lie and every death, judged afterwards.

A ``Schedule`` says what the cloud does, where the process dies and what becomes of its disk;
``live`` plays it with the real controller on a made-up clock and answers ``Findings``. What is
judged is what the cloud knows to be true, not what the controller believes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import pairwise, product
from types import MappingProxyType
from typing import Final

from podman_llm.core.naming import DEADLINE_MARK, INTENT_MARK, OWNER_MARK
from podman_llm.core.pod import Phase, PodRecord
from podman_llm.core.sight import CreateOutcome, NotCreated, Refusal
from podman_llm.errors import ProviderUnreachable
from podman_llm.pods.reaper import Reaper
from podman_llm.providers.base import CreateRequest
from podman_llm.state.store import PodState
from podman_llm.testing.cloud import (
    CREATED,
    CREATED_5XX,
    LOST,
    NOT_5XX,
    Cloud,
    CloudPod,
    Fate,
    ListFault,
    late,
    rejected,
)
from tests.pods.house import L4, OWNER, SPEC, Crash, Fuse, House, MemoryStore

RUNTIME: Final = 300.0
DOWN_AT: Final = 150.0
IDLE: Final = 40.0
LATE_DOWN_AT: Final = 260.0  # after a pod has slept and was woken
QUARANTINE: Final = 180.0  # the default of provider.quarantine_seconds
DELAYS: Final = (1.0, 30.0, 400.0)  # the last one is longer than the lease
WATCHED_AFTER: Final = 400.0  # seconds for which nothing may come back after all is settled
PATIENCE: Final = 5000.0
SLACK: Final = 180.0  # seconds a failing provider may cost at the deadline, beyond our own absence
HURRY_MOST: Final = 50  # ticks in a row that may ask for the next one at once
GUARD_SLACK: Final = 60.0
AHEAD: Final = 55.0  # more than two looks and the pause between them, less than own_end.NEAR
REAPED_EVERY: Final = 300.0  # the timer of systemd/ and the cron lines of docs/second-host.md

FULL = NotCreated(Refusal.CAPACITY, "There are no longer any instances available")
FATES: Final[Mapping[str, Fate]] = MappingProxyType(
    {
        "created": CREATED,
        "refused": rejected(FULL),
        "not sent": rejected(NotCreated(Refusal.NOT_SENT, "connection refused")),
        "lost": LOST,
        "5xx, created": CREATED_5XX,
        "5xx, not created": NOT_5XX,
        "late": late(60.0),
        "very late": late(100.0),
    }
)
"""What becomes of the first create. The later ones go well."""
BEYOND: Final = "beyond the quarantine"
_ALL_FATES = {**FATES, BEYOND: late(QUARANTINE + 60.0)}

_N, _0, _P, _X = ListFault.NONE, ListFault.EMPTY, ListFault.PARTIAL, ListFault.ERROR
WEATHERS: Final[Mapping[str, tuple[dict[str, object], list[ListFault]]]] = MappingProxyType(
    {
        "fair": ({}, []),
        "lists lag": ({"list_lag": 20.0, "hidden_for": 20.0}, []),
        "lists lag long": ({"list_lag": 45.0, "hidden_for": 10.0}, []),
        "early 404s": ({"hidden_for": 60.0, "denied_for": 60.0, "list_lag": 30.0}, []),
        "denied deletes": ({"denied_for": 320.0}, []),
        "failing deletes": ({"failing_deletes": 3}, []),
        "forgotten deletes": ({"ignored_deletes": 2}, []),
        "empty lists": ({}, [_N, _N, _0, _0, _0, _N, _0, _X] * 6),
        "only empty lists": ({}, [_0] * 25),
        "empty lists, no spend": ({"tells_spend": False}, [_N, _0, _N, _X] * 12),
        "partial lists": ({}, [_N, _P, _P, _X, _P] * 8),
        "failing lists": ({}, [_N] * 3 + [_X] * 25),
    }
)
"""How the provider lies besides: fields of the cloud, and faults of its first lists."""
_ALL_WEATHERS = {**WEATHERS, "no lists after the start": ({}, [_N] * 4 + [_X] * 70)}

TRUE_LISTS: Final = tuple(name for name, (_, faults) in WEATHERS.items() if not faults)
"""Those in which each round of a reaper counts; with a list that lies it ends nothing."""

ENDINGS: Final = ("down", "expiry", "down and up again")
WOKEN: Final = "asleep, woken by requests, down"
"""An ending of its own family. The requests go on after the down."""
LOSSES: Final = ("newest", "all")
"""What is lost of the state at the first death: the newest generation, or both."""


@dataclass(frozen=True)
class Schedule:
    """One life. ``kills`` are points to pass before each death; every call and save has two.

    ``ahead`` is how far the clocks of the pods' hosts are ahead of ours.
    """

    fate: str = "created"
    weather: str = "fair"
    ending: str = "down"
    kills: tuple[int, ...] = ()
    delay: float = 1.0
    loss: str = ""
    is_guarded: bool = False
    starts: bool = True
    comes_back: bool = True
    is_reaped: bool = False
    ahead: float = 0.0


@dataclass(frozen=True)
class Findings:
    """What was true. Seconds, and counts of pods; ``points`` are places at which it could die."""

    points: int
    deaths: int
    most_live: int
    twice_for: float
    leaked: int
    done_but_live: float
    overrun: float
    problems: tuple[str, ...]


class Odometer(Fuse):
    """Counts all points passed, by all processes of one life."""

    def __init__(self) -> None:
        super().__init__()
        self.points = 0

    def point(self, label: str) -> None:
        self.points += 1
        super().point(label)


class Disk(MemoryStore):
    """Remembers every state that was ever on it, and when; also what was lost since."""

    def __init__(self, fuse: Fuse, now: Callable[[], float]) -> None:
        super().__init__(fuse)
        self.history: list[tuple[float, PodState]] = []
        self._now = now

    def save(self, state: PodState) -> None:
        had = len(self.saves)
        try:
            super().save(state)
        finally:
            if len(self.saves) > had:
                self.history.append((self._now(), state))

    def lose(self, what: str) -> None:
        """The state as ``StateStore`` reads it when its newest, or each, generation is damaged."""
        if what == "newest" and len(self.saves) > 1:
            self.saves.pop()
            self.origin = "previous"
        elif what:
            self.saves.clear()
            self.origin = "rebuild"


@dataclass
class WatchedCloud(Cloud):
    """Knows, of each request, whether its fence was on the disk when it came in."""

    disk: Disk | None = None
    unfenced: list[str] = field(default_factory=list)

    def create(self, request: CreateRequest) -> CreateOutcome:
        saved = self.disk.saves[-1].current if self.disk and self.disk.saves else None
        if saved is None or (saved.phase, saved.name) != (Phase.SENT, request.name):
            self.unfenced.append(request.name)
        return super().create(request)


def stranger(name: str, owner: str) -> CreateRequest:
    """A pod that is not ours: by its name or its mark, or by neither."""
    env = {OWNER_MARK: owner, INTENT_MARK: name, DEADLINE_MARK: "1"}
    return CreateRequest(name, SPEC, L4, env, None)


class Life:
    """One schedule being played."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.house = house = House(runtime_seconds=RUNTIME)
        house.configure(pod={"max_extension_seconds": 0.0})
        if schedule.ending == WOKEN:
            house.configure(pod={"idle_seconds": IDLE}, routing={"wake": True})
        house.fuse = self.fuse = Odometer()
        house.store = self.disk = Disk(house.fuse, house.true_time)
        fields, faults = _ALL_WEATHERS[schedule.weather]
        self.cloud = house.cloud = WatchedCloud(now=house.true_time, disk=self.disk)
        for name, value in fields.items():
            setattr(self.cloud, name, value)
        self.strangers = self._strangers()
        self.cloud.guarded = schedule.is_guarded
        self.cloud.guard_ahead = schedule.ahead
        self.cloud.starts_after = 5.0 if schedule.starts else None
        self.cloud.list_faults.extend(faults)
        self.cloud.fates.append(_ALL_FATES[schedule.fate])
        self.start = self.now
        self.wishes = self._wishes()
        self.kills = list(schedule.kills)
        self.deaths = 0
        self.wakes_at: float | None = self.start
        self.left_at: float | None = None
        self.is_stuck = False
        self.reaps_at = self.start
        self.slept_at: float | None = None
        self.asked_before_down: int | None = None
        self._boot()

    @property
    def now(self) -> float:
        return self.house.true_time()

    def _strangers(self) -> list[CloudPod]:
        """Where lists are partial the account has other pods; else a list of one is empty."""
        if self.schedule.weather != "partial lists":
            return []
        foreign = "pllm-zzz777-tiny-000000000000-x1", "zzz777"
        mimic = f"pllm-{OWNER.id}-tiny-999999999999-x1", "zzz777"
        for name, owner in (foreign, mimic):
            super(WatchedCloud, self.cloud).create(stranger(name, owner))
        pods, self.cloud.requests[:] = self.cloud.pods[:], []
        for pod in pods:
            pod.created_at -= 3600
        return pods

    def _wishes(self) -> list[tuple[float, Callable[[], None]]]:
        house, start = self.house, self.start
        wishes: list[tuple[float, Callable[[], None]]] = [(start, house.up)]
        if self.schedule.ending == WOKEN:
            return [*wishes, (start + LATE_DOWN_AT, self._down_for_good)]
        if self.schedule.ending != "expiry":
            wishes.append((start + DOWN_AT, house.down))
        if self.schedule.ending == "down and up again":
            wishes.append((start + DOWN_AT + 7, house.up))
            wishes.append((start + DOWN_AT + 7 + RUNTIME / 2, house.down))
        return wishes

    def _down_for_good(self) -> None:
        self.asked_before_down = len(self.cloud.requests)
        self.house.down()

    def _call(self) -> None:
        """Requests want the first pod that sleeps for as long as it does, and go on after down."""
        sleep = self.disk.saves[-1].sleep if self.disk.saves else None
        if sleep and self.slept_at is None:
            self.slept_at = sleep.since
        is_asleep = sleep is not None and sleep.since == self.slept_at
        if self.schedule.ending == WOKEN and (is_asleep or self.asked_before_down is not None):
            self.house.ask()

    def _boot(self) -> None:
        self.fuse.left = self.kills.pop(0) if self.kills else None
        self.house.restart()

    def play(self) -> None:
        """Until nothing more is wanted, owed or to come, and for a while after that."""
        settled_at: float | None = None
        hurry = 0
        after = WATCHED_AFTER
        if not self.schedule.comes_back:
            after += RUNTIME + 4 * REAPED_EVERY * self.schedule.is_reaped
        while settled_at is None or self.now < settled_at + after:
            self._take_wishes()
            self._call()
            pause = self._turn()
            self._reap()
            settled_at = None if self._is_busy() else settled_at or self.now
            if self.now > self.start + PATIENCE:
                self.is_stuck = True
                return
            hurry = hurry + 1 if pause == 0 else 0
            least = 0.01 if hurry < HURRY_MOST else 5.0  # a process that spins takes time too
            self.house.clock.advance(max(least, min(pause, self._until_wish())))

    def _is_busy(self) -> bool:
        if self.wishes or self.wakes_at is not None:
            return True
        return self.left_at is None and self.schedule.comes_back and not self._is_settled

    _is_settled = False

    def _take_wishes(self) -> None:
        while self.wishes and self.wishes[0][0] <= self.now:
            self.wishes.pop(0)[1]()
            if self.left_at is not None:  # whoever wishes starts a daemon if none runs
                self.left_at, self.wakes_at = None, self.now

    def _until_wish(self) -> float:
        return self.wishes[0][0] - self.now if self.wishes else float("inf")

    def _turn(self) -> float:
        """One tick of the process there is, if there is one; seconds until the next."""
        if self.left_at is not None or not (self.schedule.comes_back or self.deaths == 0):
            return 60.0
        if self.wakes_at is not None:
            if self.now < self.wakes_at:
                return self.wakes_at - self.now
            self.wakes_at = None
            if self.deaths or self.house.notes:
                self._boot()
        try:
            tick = self.house.tick()
        except Crash:
            self._die()
            return 0.0
        self._is_settled = tick.settled
        wants_down = self.house.desired is not None and self.house.desired.want == "down"
        if tick.settled and wants_down:
            self.left_at = self.now
        return tick.wait_seconds

    def _reap(self) -> None:
        """The second host's timer; it knows the owner's id and nothing else."""
        if not self.schedule.is_reaped or self.now < self.reaps_at:
            return
        self.reaps_at = self.now + REAPED_EVERY
        reaper = Reaper(self.cloud, self.house.clock, settle=20.0)
        with suppress(ProviderUnreachable):
            reaper.end(reaper.find(frozenset({OWNER.id}), None), None)

    def _die(self) -> None:
        self.deaths += 1
        self._is_settled = False
        if self.deaths == 1:
            self.disk.lose(self.schedule.loss)
        if self.schedule.comes_back:
            self.wakes_at = self.now + self.schedule.delay

    # Judgement ----------------------------------------------------------------------------------

    def findings(self) -> Findings:
        pods = [pod for pod in self.cloud.pods if pod not in self.strangers]
        leaked = [pod for pod in pods if pod.lives(self.now)]
        found = Findings(
            points=self.fuse.points,
            deaths=self.deaths,
            most_live=_most_live(pods),
            twice_for=self._twice_for(pods),
            leaked=len(leaked),
            done_but_live=self._done_but_live(pods),
            overrun=max((self._overrun(pod) for pod in pods), default=0.0),
            problems=(),
        )
        return replace(found, problems=tuple(self._problems(found, pods)))

    def _end(self, pod: CloudPod) -> float:
        return self.now if pod.ended_at is None else min(self.now, pod.ended_at)

    def _overrun(self, pod: CloudPod) -> float:
        return max(0.0, self._end(pod) - float(pod.request.env[DEADLINE_MARK]))

    def _twice_for(self, pods: list[CloudPod]) -> float:
        """Seconds in which two or more billed."""
        edges = sorted({at for pod in pods for at in (pod.created_at, self._end(pod))})
        return sum(
            later - at for at, later in pairwise(edges) if sum(pod.lives(at) for pod in pods) > 1
        )

    def _done_but_live(self, pods: list[CloudPod]) -> float:
        """Seconds that pods billed after their record, or the end of everything, said otherwise."""
        said: dict[str, float] = {}
        for at, state in self.disk.history:
            record = state.current
            if record and record.phase in {Phase.DONE, Phase.CANCELLED}:
                said.setdefault(record.name, at)
        late_by = 0.0
        for pod in pods:
            after = said.get(pod.request.name, float("inf"))
            if self.left_at is not None:
                after = min(after, self.left_at)
            late_by += max(0.0, self._end(pod) - max(after, pod.created_at))
        return late_by

    def _problems(self, found: Findings, pods: list[CloudPod]) -> Iterator[str]:
        names = [request.name for request in self.cloud.requests]
        is_beyond = self.schedule.fate == BEYOND
        excused = self.deaths * self.schedule.delay + SLACK + is_beyond * self.cloud.denied_for
        checks = {
            "I1 two pods at once": found.most_live > 1 + is_beyond,
            "I1 two pods for too long": found.twice_for > is_beyond * excused,
            "I1 more pods than were needed": len(pods) > self._allowed(),
            "I2 a request without its fence on disk": bool(self.cloud.unfenced),
            "I3 a name asked for twice": len(names) != len(set(names)),
            "I5 a pod is left": found.leaked > 0,
            "I6 said to be gone, and billing": found.done_but_live > 0,
            "I7 a stranger's pod was ended": self._has_ended_a_stranger(),
            "I8 a hard deadline moved": self._has_moved_a_deadline(),
            "I10 less counted than billed": self._has_undercounted(pods),
            "I12 never settled": self.is_stuck,
            "I13 an end was undone": not self.schedule.loss and self._has_undone_an_end(),
            "I14 requests made more than one pod": (
                self.schedule.ending == WOKEN and len(pods) > self._allowed()
            ),
            "I14 a request brought a pod after down": self._is_asked_after_down(),
            "I16 settled without evidence": self.left_at is not None and not self._has_evidence(),
        }
        if self.schedule.is_guarded and self.schedule.starts:
            checks["I4 a guarded pod outlived its deadline"] = found.overrun > GUARD_SLACK
        elif self.schedule.is_reaped:
            checks["I4 a pod outlived its deadline and the reaper's rounds"] = (
                found.overrun > 2 * REAPED_EVERY + excused
            )
        elif self.schedule.comes_back:
            checks["I4 a pod outlived its deadline and our absence"] = found.overrun > excused
        yield from (name for name, is_so in checks.items() if is_so)

    def _allowed(self) -> float:
        """One for each ``up``; in these clouds no pod fails that was ever made.

        Whoever has lost all state cannot know that this ``up`` has had its pod.
        """
        if self.schedule.loss == "all" or self.schedule.fate == BEYOND:
            return float("inf")
        return 2 if self.schedule.ending in {"down and up again", WOKEN} else 1

    def _is_asked_after_down(self) -> bool:
        asked = self.asked_before_down
        return asked is not None and len(self.cloud.requests) > asked

    def _has_ended_a_stranger(self) -> bool:
        return any(pod.pod_id in self.cloud.terminated for pod in self.strangers)

    def _records(self) -> Iterator[PodRecord]:
        return (state.current for _, state in self.disk.history if state.current)

    def _has_moved_a_deadline(self) -> bool:
        seen = {(record.name, record.hard_deadline) for record in self._records()}
        return len(seen) != len({name for name, _ in seen})

    def _has_undercounted(self, pods: list[CloudPod]) -> bool:
        """Whether a record, once closed, says less than its pod has cost."""
        for record in self._records():
            if record.phase is Phase.DONE:
                own = [pod for pod in pods if pod.request.name == record.name]
                bill = sum(pod.price * (self._end(pod) - pod.created_at) / 3600 for pod in own)
                if record.spent(self.now) < bill - 1e-6:
                    return True
        return False

    def _has_undone_an_end(self) -> bool:
        ending: set[str] = set()
        for record in self._records():
            is_ending = record.phase in {
                Phase.STOPPING,
                Phase.VERIFYING,
                Phase.DONE,
                Phase.DISOWNED,
            }
            if is_ending:
                ending.add(record.name)
            elif record.name in ending:
                return True
        return False

    def _has_evidence(self) -> bool:
        last = self.disk.saves[-1].current if self.disk.saves else None
        if last is None or last.phase is Phase.CANCELLED:
            return True  # nothing was sent, or nobody can know what was; the cloud judges that
        return last.phase is Phase.DONE and last.evidence is not None


def _most_live(pods: list[CloudPod]) -> int:
    return max((sum(pod.lives(one.created_at) for pod in pods) for one in pods), default=0)


def live(schedule: Schedule) -> Findings:
    """Play one schedule and judge it."""
    life = Life(schedule)
    life.play()
    return life.findings()


@cache
def points(schedule: Schedule) -> int:
    """At how many points a process can die in this life if it does not."""
    return live(replace(schedule, kills=())).points


# Families of schedules ----------------------------------------------------------------------------


def one_death_anywhere() -> Iterator[Schedule]:
    """Each point of each life: every fate, weather, ending and delay. Hundreds of thousands."""
    for fate, weather, ending, delay in product(FATES, WEATHERS, ENDINGS, DELAYS):
        whole = Schedule(fate, weather, ending, delay=delay)
        yield from (replace(whole, kills=(at,)) for at in range(points(whole)))


def in_fair_weather() -> Iterator[Schedule]:
    """Each point of the lives that nothing else disturbs, for every fate of the create; one more
    sleeps and is woken.
    """
    for fate in FATES:
        whole = Schedule(fate)
        yield from (replace(whole, kills=(at,)) for at in range(points(whole)))
    woken = Schedule(ending=WOKEN)
    yield from (replace(woken, kills=(at,)) for at in range(points(woken)))


def some(
    seed: int,
    count: int,
    *,
    deaths: tuple[int, ...] = (1,),
    weathers: tuple[str, ...] = tuple(WEATHERS),
    **fixed: object,
) -> list[Schedule]:
    """Seeded schedules with as many deaths as one of ``deaths``; ``fixed`` is the same in all."""
    rng = random.Random(seed)
    return [_one(rng, rng.choice(deaths), weathers, fixed) for _ in range(count)]


def _one(
    rng: random.Random, deaths: int, weathers: tuple[str, ...], fixed: dict[str, object]
) -> Schedule:
    free = Schedule(
        fate=rng.choice(list(FATES)),
        weather=rng.choice(weathers),
        ending=rng.choice(ENDINGS),
        delay=rng.choice(DELAYS),
    )
    schedule = replace(free, **fixed)  # type: ignore[arg-type]  # fields of Schedule
    whole = points(replace(schedule, delay=1.0, loss="", comes_back=True))
    kills = tuple(rng.randrange(whole) for _ in range(deaths))
    return replace(schedule, kills=kills)


@dataclass(frozen=True)
class Family:
    """Schedules of one kind. ``expected`` are invariants that cannot hold here, and do not."""

    title: str
    schedules: Callable[[int, int], Iterable[Schedule]]
    count: int
    expected: frozenset[str] = frozenset()


_NOBODY: Final = frozenset({"I5 a pod is left"})

FAMILIES: Final = (
    Family("each point of fair lives", lambda *_: in_fair_weather(), 0),
    Family("one death anywhere", some, 500),
    Family("two or three deaths", partial(some, deaths=(2, 3)), 500),
    Family(
        "in-pod guard, one to three deaths", partial(some, deaths=(1, 2, 3), is_guarded=True), 400
    ),
    Family(
        "in-pod guard that is ahead of our clock",
        partial(some, ending="expiry", is_guarded=True, ahead=AHEAD),
        200,
    ),
    Family(
        "asleep and woken by requests, one or two deaths",
        partial(some, deaths=(1, 2), ending=WOKEN),
        200,
    ),
    Family("newest state lost at the death", partial(some, deaths=(1, 2), loss="newest"), 300),
    Family("all state lost at the death", partial(some, deaths=(1, 2), loss="all"), 300),
    Family("containers that never start", partial(some, starts=False), 150),
    Family("created beyond the quarantine", partial(some, fate=BEYOND, ending="expiry"), 150),
    Family("dead for good, in-pod guard", partial(some, comes_back=False, is_guarded=True), 150),
    Family(
        "dead for good, no container ever starts, a reaper elsewhere",
        partial(some, weathers=TRUE_LISTS, comes_back=False, starts=False, is_reaped=True),
        150,
    ),
    Family("dead for good, no guard", partial(some, comes_back=False), 150, expected=_NOBODY),
)
"""What CI plays; ``count`` is how many of those that are drawn."""


# Adding up ----------------------------------------------------------------------------------------


@dataclass
class Tally:
    """The findings of many schedules."""

    schedules: int = 0
    deaths: int = 0
    most_live: int = 0
    twice_for: float = 0.0
    leaked: int = 0
    done_but_live: float = 0.0
    overrun: float = 0.0
    failures: list[tuple[Schedule, tuple[str, ...]]] = field(default_factory=list)

    def add(self, schedule: Schedule, found: Findings) -> None:
        self.schedules += 1
        self.deaths += found.deaths
        self.most_live = max(self.most_live, found.most_live)
        self.twice_for += found.twice_for
        self.leaked += found.leaked
        self.done_but_live += found.done_but_live
        self.overrun = max(self.overrun, found.overrun)
        if found.problems:
            self.failures.append((schedule, found.problems))

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            schedules=self.schedules + other.schedules,
            deaths=self.deaths + other.deaths,
            most_live=max(self.most_live, other.most_live),
            twice_for=self.twice_for + other.twice_for,
            leaked=self.leaked + other.leaked,
            done_but_live=self.done_but_live + other.done_but_live,
            overrun=max(self.overrun, other.overrun),
            failures=[*self.failures, *other.failures],
        )

    def __str__(self) -> str:
        return (
            f"{self.schedules} schedules, {self.deaths} deaths: at most {self.most_live} live, "
            f"two at once for {self.twice_for:.0f} s, {self.leaked} leaked, DONE but live for "
            f"{self.done_but_live:.0f} s, at most {self.overrun:.0f} s past the deadline, "
            f"{len(self.failures)} against an invariant"
        )


def explore(schedules: Iterable[Schedule]) -> Tally:
    """Play them all."""
    tally = Tally()
    for schedule in schedules:
        tally.add(schedule, live(schedule))
    return tally


def first_failure(schedules: Iterable[Schedule]) -> tuple[int, Schedule, tuple[str, ...]] | None:
    """How many were played until one broke an invariant, which, and which invariants."""
    for number, schedule in enumerate(schedules, start=1):
        if problems := live(schedule).problems:
            return number, schedule, problems
    return None
