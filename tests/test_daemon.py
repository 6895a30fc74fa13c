from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from podman_llm import daemon as daemon_module
from podman_llm.config.models import ProviderSettings, ProxySettings, Settings
from podman_llm.core.pod import Candidate, ClockReading, Phase, PodRecord, PodSpec, Sleep
from podman_llm.core.restart import RestartPolicy
from podman_llm.daemon import Daemon, longest_turn
from podman_llm.errors import ConfigError, LockHeld, StateError
from podman_llm.host import process
from podman_llm.host.clock import SystemClock
from podman_llm.host.signals import Signals
from podman_llm.host.sockets import bind_listener, require_free
from podman_llm.host.systemd import Notifier
from podman_llm.pods.controller import CALLS_A_TICK, Tick
from podman_llm.providers import probe
from podman_llm.state.demand import WorkerDemand, save_demand
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.locks import ControllerLock, is_held
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, load_report, save_report
from podman_llm.state.store import Failure, PodState, StateStore
from podman_llm.supervisor.endpoint import Endpoint
from podman_llm.testing.clock import FakeClock

_DOUBLES = Path(__file__).parent / "supervisor"


def _tick(note: str = "all is well", wait: float = 60.0, *, settled: bool = False) -> Tick:
    return Tick(note, wait, settled)


@dataclass
class Script:
    """A controller that plays one act per tick; after the last it asks the daemon to stop."""

    acts: list[Tick | Exception | Callable[[], Tick]]
    signals: Signals
    seen: list[tuple[Desired, Settings]] = field(default_factory=list)
    disproved: list[AssertionError] = field(default_factory=list)

    def tick(self, desired: Desired, settings: Settings) -> Tick:
        self.seen.append((desired, settings))
        act = self.acts[len(self.seen) - 1]
        if len(self.seen) == len(self.acts):
            self.signals.stop = True
        if isinstance(act, Exception):
            raise act
        return act if isinstance(act, Tick) else self._checked(act)

    def _checked(self, act: Callable[[], Tick]) -> Tick:
        # The daemon outlives any failing tick, so a failed claim has to be carried past it.
        try:
            return act()
        except AssertionError as err:
            self.disproved.append(err)
            raise


class Waking(FakeClock):
    """Calls back instead of only letting time pass."""

    def __init__(self, on_sleep: Callable[[], None]) -> None:
        super().__init__()
        self._on_sleep = on_sleep

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._on_sleep()


@dataclass
class Stage:
    """A state directory, a free port, and a daemon to be played on them."""

    paths: StatePaths
    port: int
    signals: Signals = field(default_factory=Signals)
    clock: FakeClock = field(default_factory=FakeClock)
    made_for: list[Settings] = field(default_factory=list)
    notifier: Notifier | None = None
    first_settings: Settings | None = None
    key_files: tuple[Path, ...] = ()
    endpoint: Endpoint = field(init=False)

    def __post_init__(self) -> None:
        self.endpoint = Endpoint(
            paths=self.paths,
            clock=SystemClock(),
            argv=self._argv,
            bind=bind_listener,
            policy=RestartPolicy(),
        )

    def _argv(self, slot: int, fd: int, lifeline: int) -> list[str]:
        numbers = [str(slot), str(fd), str(lifeline)]
        script = str(_DOUBLES / "worker.py")
        return [sys.executable, script, "worker", str(self.paths.root), *numbers, "plain"]

    def settings(self, **changes: object) -> Settings:
        fields: dict[str, object] = {"proxy_port": self.port}
        return Settings.model_validate(fields | {"proxy": ProxySettings(drain_seconds=0)} | changes)

    def want(self, want: str, generation: int = 1, **changes: object) -> None:
        settings = self.settings(**changes).model_dump(mode="json", by_alias=True)
        wish = {"want": want, "generation": generation, "settings": settings, "requested_at": 0.0}
        save_desired(self.paths, Desired.model_validate(wish))

    def hold(self, state: PodState) -> None:
        StateStore(self.paths, self.clock).save(state)

    def play(self, *acts: Tick | Exception | Callable[[], Tick]) -> tuple[int, Script]:
        script = Script(list(acts), self.signals)

        def make_controller(settings: Settings) -> Script:
            self.made_for.append(settings)
            return script

        daemon = Daemon(
            paths=self.paths,
            clock=self.clock,
            signals=self.signals,
            endpoint=self.endpoint,
            make_controller=make_controller,
            redact=lambda text: text.replace("hunter2", "[secret]"),
            notifier=self.notifier,
            first_settings=self.first_settings,
            key_files=self.key_files,
        )
        code = daemon.run()
        if script.disproved:
            raise script.disproved[0]
        return code, script

    @property
    def report(self) -> DaemonReport:
        report = load_report(self.paths)
        assert report is not None
        return report


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    with bind_listener("127.0.0.1", 0) as free:
        return Stage(paths, free.getsockname()[1])


@pytest.fixture
def stranger(stage: Stage) -> Iterator[socket.socket]:
    """Somebody else on the port."""
    with bind_listener("127.0.0.1", stage.port) as taken:
        yield taken


@pytest.fixture
def open_pod() -> PodState:
    candidate = Candidate("gpu", "GPU", 1, "SECURE", None, 1.0, 24.0, "HIGH")
    spec = PodSpec("m", "o/m", "main", ("m",), 4096, "i", ("v",), 8000, 50, None, {}, None, None)
    return PodState(
        current=PodRecord(
            name="pllm-a",
            owner="aaaaaa",
            generation=1,
            phase=Phase.READY,
            spec=spec,
            attempt=1,
            candidate=candidate,
            candidates=(),
            intent=ClockReading(1.0, 1.0, "boot"),
            soft_deadline=2.0,
            hard_deadline=3.0,
        )
    )


def _ask(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"?")
        return int(client.recv(100))


# Serving and leaving -----------------------------------------------------------------------------


def test_while_a_pod_is_wanted_clients_are_served_and_the_report_says_so(stage: Stage) -> None:
    stage.want("up")

    def look() -> Tick:
        (worker,) = stage.report.workers
        assert _ask(stage.port) == worker.pid
        assert stage.report.url == f"http://localhost:{stage.port}/v1"
        assert stage.report.pid == os.getpid()
        return _tick("READY")

    code, script = stage.play(look)
    assert (code, len(script.seen)) == (0, 1)


def test_being_stopped_ends_the_workers_and_nothing_else(stage: Stage) -> None:
    stage.want("up")
    code, script = stage.play(_tick("one", 1), _tick("two", 1))
    assert code == 0
    assert [desired.want for desired, _ in script.seen] == ["up", "up"]
    assert (stage.report.note, stage.report.workers, stage.report.url) == ("two", (), "")
    require_free("127.0.0.1", stage.port)
    assert not is_held(stage.paths)


def test_down_and_settled_is_the_end_and_needs_no_port(
    stage: Stage, stranger: socket.socket
) -> None:
    stage.want("down")
    code, script = stage.play(_tick("ending", 1), _tick("gone", settled=True), _tick())
    assert code == 0
    assert len(script.seen) == 2
    assert stage.report.note == "gone"


def test_a_settled_pod_that_is_wanted_is_watched_on(stage: Stage) -> None:
    stage.want("up")
    _, script = stage.play(*[_tick("READY", settled=True)] * 3)
    assert len(script.seen) == 3


def test_a_failed_up_ends_the_daemon_but_an_older_failure_does_not(stage: Stage) -> None:
    stage.want("up", generation=2)
    older = Failure(generation=1, exit_code=5, message="no capacity", hint="", at=0.0)

    def fail() -> Tick:
        stage.hold(PodState(failure=replace(older, generation=2)))
        return _tick("failed", settled=True)

    stage.hold(PodState(failure=older))
    code, script = stage.play(_tick("trying", settled=True), fail, _tick())
    assert (code, len(script.seen)) == (1, 2)
    assert stage.report.workers == ()


def test_a_wish_that_comes_while_the_workers_drain_is_followed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.want("down")
    close = stage.endpoint.close

    def close_slowly() -> None:
        close()
        monkeypatch.setattr(stage.endpoint, "close", close)
        stage.want("up", generation=2)

    monkeypatch.setattr(stage.endpoint, "close", close_slowly)
    _, script = stage.play(_tick(settled=True), _tick("up again"))
    assert [desired.generation for desired, _ in script.seen] == [1, 2]


def test_only_one_daemon_per_state_directory(stage: Stage) -> None:
    stage.want("up")
    with ControllerLock(stage.paths), pytest.raises(LockHeld):
        stage.play(_tick())


# The port ----------------------------------------------------------------------------------------


def test_without_the_port_no_pod_is_started(stage: Stage, stranger: socket.socket) -> None:
    stage.want("up")
    code, script = stage.play(_tick())
    assert code == 1
    assert not script.seen
    assert not stage.made_for
    assert f"port {stage.port} is taken by" in stage.report.problem
    assert f"pid {os.getpid()}" in stage.report.problem


def test_without_the_port_a_running_pod_is_still_looked_after(
    stage: Stage, stranger: socket.socket, open_pod: PodState
) -> None:
    stage.hold(open_pod)
    stage.want("up")

    def leave() -> Tick:
        stranger.close()
        return _tick("READY", 1)

    def served_again() -> Tick:
        assert _ask(stage.port) == stage.report.workers[0].pid
        return _tick("READY")

    stage.play(leave, served_again)
    assert stage.report.problem == ""


# Turns -------------------------------------------------------------------------------------------


def test_a_failing_turn_is_told_without_secrets_and_tried_again_in_five_seconds(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.want("up")
    times: list[float] = []
    problems: list[str] = []

    def look() -> Tick:
        times.append(stage.clock.wall())
        problems.append(stage.report.problem)
        return _tick()

    def explode() -> Tick:
        times.append(stage.clock.wall())
        raise RuntimeError("with hunter2")

    code, _ = stage.play(explode, StateError("disk full", hint="free some"), look)
    assert code == 0
    assert 10 <= times[1] - times[0] < 11
    assert problems == ["disk full; free some"]
    assert stage.report.problem == ""
    assert [r.__dict__["problem"] for r in caplog.records if r.levelname == "ERROR"] == [
        "RuntimeError: with [secret]",
        "disk full; free some",
    ]


@pytest.mark.parametrize("owes", [False, True])
def test_what_a_person_must_edit_ends_the_daemon_unless_a_pod_needs_it(
    stage: Stage, open_pod: PodState, owes: bool
) -> None:
    stage.want("up")
    stage.hold(open_pod if owes else PodState())
    code, script = stage.play(ConfigError("no such model"), _tick())
    assert (code, len(script.seen)) == ((0, 2) if owes else (1, 1))


def test_a_record_that_cannot_be_read_counts_as_a_pod_that_needs_us(stage: Stage) -> None:
    stage.want("up")
    for path in (stage.paths.pod_state, stage.paths.previous_pod_state):
        path.write_bytes(b"{")
    code, script = stage.play(ConfigError("no such model"), _tick())
    assert (code, len(script.seen)) == (0, 2)


def test_a_new_wish_ends_the_wait(stage: Stage) -> None:
    stage.want("up")
    stage.clock = Waking(lambda: stage.want("down", generation=2))
    began = stage.clock.wall()
    _, script = stage.play(_tick(wait=3600), _tick())
    assert [desired.want for desired, _ in script.seen] == ["up", "down"]
    assert stage.clock.wall() - began < 1


def _asks(stage: Stage) -> None:
    demand = WorkerDemand(slot=0, asked_at=1.0, held_at=None)
    save_demand(stage.paths, demand)


@pytest.mark.parametrize("heeds", [True, False])
def test_new_demand_ends_the_wait_where_it_matters(stage: Stage, heeds: bool) -> None:
    stage.want("up")
    stage.clock = Waking(lambda: _asks(stage))
    began = stage.clock.wall()
    _, script = stage.play(Tick("asleep", 5, settled=True, heeds_demand=heeds), _tick())
    assert len(script.seen) == 2
    assert (stage.clock.wall() - began < 1) is heeds


def test_demand_that_comes_during_a_turn_is_not_missed(stage: Stage) -> None:
    stage.want("up")
    began = stage.clock.wall()

    def asked_meanwhile() -> Tick:
        _asks(stage)
        return Tick("asleep", 3600, settled=True, heeds_demand=True)

    stage.play(asked_meanwhile, _tick())
    assert stage.clock.wall() - began < 1


def test_a_pod_that_could_not_be_woken_leaves_its_people_the_endpoint(
    stage: Stage, open_pod: PodState
) -> None:
    assert open_pod.current
    sleep = Sleep(1, 0.0, open_pod.current.intent, 60.0, why_not="no balance")
    stage.want("up")
    stage.hold(PodState(failure=Failure(1, 9, "no balance", "", 0.0), sleep=sleep))
    _, script = stage.play(*[_tick("asleep", settled=True)] * 3)
    assert len(script.seen) == 3


def test_a_poke_ends_the_wait(stage: Stage) -> None:
    stage.want("up")
    stage.clock = Waking(lambda: signal.raise_signal(signal.SIGHUP))
    began = stage.clock.wall()
    _, script = stage.play(_tick(wait=3600), _tick())
    assert len(script.seen) == 2
    assert stage.clock.wall() - began < 1


def test_a_signal_to_stop_ends_the_wait(stage: Stage) -> None:
    stage.want("up")
    stage.clock = Waking(lambda: signal.raise_signal(signal.SIGTERM))
    code, script = stage.play(_tick(wait=3600), _tick())
    assert (code, len(script.seen)) == (0, 1)


def test_time_spent_in_suspend_counts_as_waited(stage: Stage) -> None:
    stage.want("up")
    clock = Waking(lambda: clock.suspend(3600))
    stage.clock = clock
    monotonic = clock.monotonic()
    stage.play(_tick(wait=3600), _tick())
    assert clock.monotonic() - monotonic < 1


def test_a_dead_worker_shows_in_the_report_before_the_next_turn(stage: Stage) -> None:
    stage.want("up")
    killed: list[int] = []

    def kill_and_look() -> None:
        (worker,) = stage.report.workers
        if worker.pid and not killed:
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)
        stage.signals.stop = worker.restarts > 0 and worker.pid != killed[0]
        time.sleep(0.005)

    stage.clock = Waking(kill_and_look)
    _, script = stage.play(_tick(wait=1e9), _tick())
    assert len(script.seen) == 1


# Settings ----------------------------------------------------------------------------------------


def test_a_controller_is_made_for_each_change_of_settings_only(stage: Stage) -> None:
    stage.want("up")

    def extend() -> Tick:
        stage.want("up")
        return _tick()

    def change() -> Tick:
        stage.want("up", generation=2, runtime_seconds=7200)
        return _tick()

    stage.play(extend, change, _tick())
    assert [settings.runtime_seconds for settings in stage.made_for] == [3600, 7200]


def test_a_key_that_is_replaced_is_taken_up_and_the_pod_goes_on(stage: Stage) -> None:
    stage.want("up")
    key = stage.paths.root / "runpod_api_key"
    stage.key_files = (key,)

    def replace_key() -> Tick:
        key.write_text("rpa_new")
        return _tick(wait=0.0)

    stage.play(replace_key, _tick(wait=0.0), _tick())
    assert len(stage.made_for) == 2


def test_a_damaged_wish_leaves_the_last_good_one_in_force(stage: Stage) -> None:
    stage.want("up", generation=4)

    def damage() -> Tick:
        stage.paths.desired.write_bytes(b"{")
        return _tick()

    _, script = stage.play(damage, _tick("still here"))
    assert [desired.generation for desired, _ in script.seen] == [4, 4]
    assert "desired.json is damaged" in stage.report.problem


def test_settings_that_only_a_newer_program_knows_leave_the_last_good_ones_in_force(
    stage: Stage,
) -> None:
    stage.want("up", generation=4)

    def upgrade() -> Tick:
        newer = stage.settings().model_dump(mode="json", by_alias=True) | {"colour": "red"}
        save_desired(stage.paths, Desired(generation=5, want="up", settings=newer, requested_at=0))
        return _tick()

    _, script = stage.play(upgrade, _tick("still here"))
    assert [desired.generation for desired, _ in script.seen] == [4, 4]
    assert stage.report.note == "still here"
    assert "does not know: colour; use the podman-llm that wrote it" in stage.report.problem


@pytest.mark.parametrize("loss", ["damaged", "gone"])
def test_a_daemon_that_starts_beside_a_lost_wish_goes_by_the_last_one_understood(
    stage: Stage, loss: str
) -> None:
    stage.want("up", generation=4, runtime_seconds=7200)
    stage.play(_tick())
    if loss == "damaged":
        stage.paths.desired.write_bytes(b"{")
    else:
        stage.paths.desired.unlink()
    stage.signals = Signals()
    _, script = stage.play(_tick("still here"))
    [(desired, settings)] = script.seen
    assert (desired.generation, settings.runtime_seconds) == (4, 7200)
    assert f"desired.json is {loss}" in stage.report.problem
    assert "`podman-llm up` or `podman-llm down` writes it anew" in stage.report.problem


def test_a_wish_that_cannot_be_copied_is_followed_all_the_same(stage: Stage) -> None:
    stage.want("up", generation=4)
    stage.paths.understood.mkdir()
    _, script = stage.play(_tick("all is well"))
    assert [desired.generation for desired, _ in script.seen] == [4]
    assert stage.report.problem == ""


def test_settings_of_another_program_are_named(stage: Stage) -> None:
    wish = Desired(generation=1, want="up", settings={"colour": "red"}, requested_at=0.0)
    save_desired(stage.paths, wish)
    told: list[str] = []

    def repair() -> None:
        told.append(stage.report.problem)
        stage.want("up", generation=2)

    stage.clock = Waking(repair)
    stage.play(_tick())
    assert "colour" in told[0]


def test_with_no_wish_at_all_it_waits_for_one(stage: Stage) -> None:
    stage.clock = Waking(lambda: stage.want("down"))
    code, script = stage.play(_tick(settled=True))
    assert (code, len(script.seen)) == (0, 1)


# The report --------------------------------------------------------------------------------------


def test_the_past_of_the_state_directory_is_not_forgotten(
    stage: Stage, stranger: socket.socket
) -> None:
    report = DaemonReport(pid=1, started_at=1.0, tick_at=77.0, note="", url="", workers=())
    save_report(stage.paths, report)
    stage.hold(PodState())
    stage.want("up")
    assert stage.play(_tick())[0] == 1
    assert stage.report.tick_at == 77.0
    stage.paths.report.write_bytes(b"\0")
    assert stage.play(_tick())[0] == 1
    assert stage.report.tick_at == stage.clock.wall()


def test_a_report_that_cannot_be_written_ends_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StateError("cannot write")

    monkeypatch.setattr(daemon_module, "save_report", refuse)
    stage.want("up")
    code, script = stage.play(_tick(), _tick())
    assert (code, len(script.seen)) == (0, 2)


# Kept by systemd ---------------------------------------------------------------------------------


@pytest.fixture
def manager(stage: Stage, tmp_path: Path) -> Iterator[socket.socket]:
    """systemd's end of the notify socket; whatever is told waits in it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        stage.notifier = Notifier(listening.getsockname(), 90)
        stage.hold(PodState())
        yield listening


def _heard(manager: socket.socket) -> list[list[str]]:
    """Every message since the last call, in its lines."""
    messages = []
    try:
        while True:
            messages.append(manager.recv(4096).decode().split("\n"))
    except BlockingIOError:
        return messages


def test_the_watchdog_waits_for_the_slowest_honest_turn() -> None:
    provider = ProviderSettings(connect_timeout_seconds=1, read_timeout_seconds=2)
    assert longest_turn(Settings(provider=provider)) == CALLS_A_TICK * 3 + probe.LONGEST
    assert longest_turn(Settings()) == 840


def test_every_good_turn_pings_and_says_its_sentence(stage: Stage, manager: socket.socket) -> None:
    stage.want("up")
    stage.play(_tick("BOOTING", 0), _tick("READY", 0))
    *patience, first, second, last = _heard(manager)
    assert patience == [["WATCHDOG_USEC=870000000"]]
    assert first == ["READY=1", "STATUS=BOOTING", "WATCHDOG=1"]
    assert second == ["READY=1", "STATUS=READY", "WATCHDOG=1"]
    assert last[0] == "STOPPING=1"
    assert last[2].startswith("EXTEND_TIMEOUT_USEC=")


def test_a_failing_turn_is_told_and_does_not_ping(stage: Stage, manager: socket.socket) -> None:
    stage.want("up")
    stage.play(RuntimeError("with hunter2"), _tick(wait=0))
    (failed,) = [each for each in _heard(manager) if "STATUS=RuntimeError: with [secret]" in each]
    assert "WATCHDOG=1" not in failed


def test_a_turn_after_which_the_state_is_unreadable_does_not_ping(
    stage: Stage, manager: socket.socket
) -> None:
    stage.want("up")

    def damage() -> Tick:
        for path in (stage.paths.pod_state, stage.paths.previous_pod_state):
            path.write_bytes(b"{")
        return _tick("nothing wrong seen", 0)

    stage.play(damage)
    assert ["READY=1", "STATUS=nothing wrong seen"] in _heard(manager)


def test_turns_come_often_enough_for_the_watchdog(stage: Stage, manager: socket.socket) -> None:
    stage.want("up")
    times: list[float] = []

    def look() -> Tick:
        times.append(stage.clock.monotonic())
        return _tick(wait=3600)

    stage.play(look, look)
    assert 29 < times[1] - times[0] < 31


def test_sighup_is_a_reload_that_the_next_turn_ends(stage: Stage, manager: socket.socket) -> None:
    stage.want("up")
    stage.clock = Waking(lambda: signal.raise_signal(signal.SIGHUP))
    stage.play(_tick("before", 20), _tick("after", 0))
    heard = [each[0] for each in _heard(manager)]
    assert heard == ["WATCHDOG_USEC=870000000", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_down_and_settled_is_no_end_but_a_rest_that_serves(
    stage: Stage, manager: socket.socket
) -> None:
    stage.want("down", generation=3)
    seen: list[DaemonReport] = []

    def look() -> None:
        if len(seen) == 5:
            stage.want("up", generation=4)
        if stage.report.done_with:
            assert _ask(stage.port) == stage.report.workers[0].pid
            seen.append(stage.report)

    stage.clock = Waking(look)
    _, script = stage.play(_tick("gone", settled=True), lambda: _tick(str(stage.report.done_with)))
    wish = Desired(generation=3, want="down", settings={}, requested_at=0.0)
    assert seen[0].is_done_with(wish)
    assert not seen[0].is_done_with(wish.model_copy(update={"want": "up"}))
    assert not seen[0].is_done_with(wish.model_copy(update={"generation": 4}))
    assert [desired.generation for desired, _ in script.seen] == [3, 4]
    assert stage.report.note == "None", "a rest is over with the next wish"


def test_while_it_rests_it_pings_and_does_not_tick(stage: Stage, manager: socket.socket) -> None:
    stage.want("down")
    began = stage.clock.monotonic()
    heard: list[list[str]] = []

    def look() -> None:
        heard.extend(_heard(manager))
        stage.signals.stop = stage.clock.monotonic() - began > 300

    stage.clock = Waking(look)
    _, script = stage.play(_tick("gone", settled=True), _tick())
    assert len(script.seen) == 1
    assert 9 <= heard.count(["READY=1", "STATUS=gone", "WATCHDOG=1"]) <= 12


def test_what_a_person_must_mend_is_told_pinged_and_tried_again_on_reload_only(
    stage: Stage, manager: socket.socket
) -> None:
    stage.want("up")
    rested: list[DaemonReport] = []

    def look() -> None:
        if stage.report.done_with:
            rested.append(stage.report)
        if len(rested) == 1000:
            signal.raise_signal(signal.SIGHUP)
        _heard(manager)

    stage.clock = Waking(look)
    _, script = stage.play(ConfigError("no such model"), _tick("READY"))
    assert len(script.seen) == 2
    assert len(rested) == 1000
    assert rested[0].problem == "no such model"
    assert stage.report.problem == ""


def test_a_port_that_is_not_the_socket_unit_s_rents_nothing_and_is_said(
    stage: Stage, manager: socket.socket, stranger: socket.socket
) -> None:
    stage.want("up")
    stage.clock = Waking(lambda: setattr(stage.signals, "stop", True))
    code, script = stage.play(_tick())
    assert (code, script.seen) == (0, [])
    heard = _heard(manager)[0]
    assert heard[1].startswith(f"STATUS=port {stage.port} is taken")
    assert heard[2] == "WATCHDOG=1"


def test_before_the_first_wish_the_socket_s_clients_are_served(
    stage: Stage, manager: socket.socket
) -> None:
    stage.first_settings = stage.settings()
    asked: list[int] = []

    def look() -> None:
        asked.append(_ask(stage.port))
        stage.want("up")

    stage.clock = Waking(look)
    stage.play(_tick("READY", 0))
    assert asked
    heard = _heard(manager)
    assert heard[0] == ["READY=1", "STATUS=nothing was asked for yet", "WATCHDOG=1"]


# As a process ------------------------------------------------------------------------------------


@pytest.fixture
def start_process(stage: Stage) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, str(_DOUBLES / "daemon.py"), str(stage.paths.root)]
        started.append(subprocess.Popen(command))
        return started[-1]

    yield start
    for each in started:
        each.terminate()
        each.wait()


def _worker_of(stage: Stage, daemon: subprocess.Popen[bytes]) -> int:
    """The worker's pid, once this daemon has reported it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        report = load_report(stage.paths)
        if report and report.pid == daemon.pid and report.workers and report.workers[0].pid:
            return report.workers[0].pid
        time.sleep(0.02)
    raise AssertionError("the daemon did not come up")


def test_sigterm_ends_daemon_and_worker_with_success(
    stage: Stage, start_process: Callable[[], subprocess.Popen[bytes]]
) -> None:
    stage.want("up")
    daemon = start_process()
    worker = _worker_of(stage, daemon)
    assert _ask(stage.port) == worker
    daemon.terminate()
    assert daemon.wait() == 0
    assert not process.is_alive(worker)
    require_free("127.0.0.1", stage.port)


def test_a_killed_daemon_leaves_a_serving_worker_whose_port_the_next_one_takes_over(
    stage: Stage, start_process: Callable[[], subprocess.Popen[bytes]]
) -> None:
    stage.want("up")
    first = start_process()
    orphan = _worker_of(stage, first)
    first.kill()
    first.wait()
    assert _ask(stage.port) == orphan
    second = start_process()
    heir = _worker_of(stage, second)
    assert _ask(stage.port) == heir != orphan
    assert not process.is_alive(orphan)
    stage.want("down")
    assert second.wait() == 0
    assert not process.is_alive(heir)
