"""The daemon: holds the lock, keeps the endpoint open, lets the controller tick.

A level-triggered loop: each turn reads what is desired, looks at the whole world and says one
sentence, which is the log line and what ``status`` shows. Stopping the daemon never stops a pod;
only ``down`` and deadlines do. A failing turn never ends it, because it guards money.

When there is nothing left to do, a daemon of nobody leaves. One that systemd keeps rests instead:
it serves the endpoint, whose socket is systemd's, and does nothing else until it is asked anew.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from podman_llm.config.models import Settings
from podman_llm.errors import ConfigError, PodmanLLMError, ProviderRefused, StateError
from podman_llm.host import files
from podman_llm.host.clock import Clock
from podman_llm.host.signals import Signals
from podman_llm.host.systemd import Notifier
from podman_llm.pods.controller import CALLS_A_TICK, Tick
from podman_llm.pods.wishes import Wish, wish_in_force
from podman_llm.providers import probe
from podman_llm.state import reserve
from podman_llm.state.demand import demand_stamps
from podman_llm.state.desired import Desired, save_understood
from podman_llm.state.locks import ControllerLock
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, DoneWith, WorkerReport, load_report, save_report
from podman_llm.state.store import read_pod_state
from podman_llm.supervisor.endpoint import Endpoint
from podman_llm.telemetry import names

_LOOK_SECONDS = 0.2
"""How long a new wish, demand or a signal may wait to be seen; one stat each."""

_AFTER_FAILURE_SECONDS = 5.0
_REST_SECONDS = 60.0

_MARGIN_SECONDS = 5.0
_A_PERSON_MUST_ACT = (ConfigError, ProviderRefused)
"""Trying again helps nobody; with no pod to look after, the daemon leaves."""

_FAILED = "the last step failed; trying again"

_LOG = logging.getLogger(__name__)


class Reconciler(Protocol):
    """The control plane as the daemon sees it."""

    def tick(self, desired: Desired, settings: Settings) -> Tick:
        """One step towards what is desired."""


@dataclass(frozen=True)
class _Turn:
    """What came of one turn of the loop.

    ``heeds_demand``: what requests ask of a sleeping pod ends the wait before the next one.
    ``exit_code`` is set when there is nothing left to do. ``is_sound`` means that the turn went to
    its end, or that only a person can mend why it did not.
    """

    note: str
    wait_seconds: float
    problem: str = ""
    exit_code: int | None = None
    is_sound: bool = True
    heeds_demand: bool = False


@dataclass(frozen=True)
class _Seen:
    """The versions of the files that a turn went by."""

    desired: files.Stamp | None
    demand: tuple[files.Stamp | None, ...]


class Daemon:
    """One run, from lock to exit code.

    ``make_controller`` is asked anew whenever the settings or the ``key_files`` change, so that a
    key that was revoked can be replaced; a controller keeps nothing that is not on disk. ``redact``
    strikes secrets from text that goes into the report. ``notifier`` reaches the systemd that keeps
    us, if one does. ``first_settings`` are those to serve by before anybody asked for a pod;
    without them the endpoint is closed until then.
    """

    def __init__(
        self,
        *,
        paths: StatePaths,
        clock: Clock,
        signals: Signals,
        endpoint: Endpoint,
        make_controller: Callable[[Settings], Reconciler],
        redact: Callable[[str], str],
        notifier: Notifier | None = None,
        first_settings: Settings | None = None,
        key_files: Sequence[Path] = (),
    ) -> None:
        self._paths = paths
        self._clock = clock
        self._signals = signals
        self._endpoint = endpoint
        self._make_controller = make_controller
        self._redact = redact
        self._notifier = notifier or Notifier(None)
        self._first_settings = first_settings
        self._key_files = key_files
        self._started_at = clock.wall()
        self._ticked_at = 0.0
        self._wish: Wish | None = None
        self._kept: Desired | None = None
        self._made_for: tuple[Settings, list[files.Stamp | None]] | None = None
        self._controller: Reconciler | None = None
        self._url = ""
        self._told = _Turn("starting", 0.0)
        self._shown: tuple[WorkerReport, ...] = ()
        self._done_with: DoneWith | None = None

    def run(self) -> int:
        """Work until told to stop, or until nothing is left to do; the process's exit code.

        0 when stopped by a signal, which leaves the pod alone, and when ``down`` is done. 1 when
        the ``up`` has failed, or cannot begin because its port cannot be had. Under systemd only a
        signal ends it.

        Raises:
            LockHeld: another daemon has this state directory.
            StateError: the state directory cannot be used.
        """
        self._paths.ensure()
        with ControllerLock(self._paths), self._signals:
            _LOG.info(names.DAEMON_STARTED, extra={"daemon_pid": os.getpid()})
            self._ticked_at = _last_tick(self._paths, or_else=self._started_at)
            try:
                return self._loop()
            finally:
                patience = self._endpoint.closing_seconds + _MARGIN_SECONDS
                self._notifier.stopping("finishing the answers in flight", within=patience)
                self._endpoint.close()
                self._publish(self._told)
                _LOG.info(names.DAEMON_STOPPED)

    def _loop(self) -> int:
        while not self._signals.stop:
            seen = _Seen(files.stamp(self._paths.desired), demand_stamps(self._paths))
            turn = self._turn()
            self._tell(turn)
            if turn.exit_code is None:
                self._wait(turn.wait_seconds, seen, heeds_demand=turn.heeds_demand)
                continue
            if self._notifier.is_kept:
                self._rest(turn, seen)
                continue
            self._endpoint.close()
            # A wish that came while the workers drained finds us still in charge.
            if files.stamp(self._paths.desired) == seen.desired:
                return turn.exit_code
        return 0

    def _rest(self, turn: _Turn, seen: _Seen) -> None:
        """Stay as ``turn`` left it; what failed for a person to mend is not tried by itself."""
        if self._wish:
            desired = self._wish.desired
            self._done_with = DoneWith(generation=desired.generation, want=desired.want)
            self._publish(turn)
        while self._wait(_REST_SECONDS, seen):
            self._tell(turn)
        self._done_with = None

    def _turn(self) -> _Turn:
        try:
            return self._take_turn()
        # The tick boundary: whatever went wrong, the next turn looks at the world afresh.
        except Exception as err:  # noqa: BLE001 - the reason is the line above
            problem = self._redact(_words(err))
            if problem != self._told.problem:
                _LOG.error(names.DAEMON_PROBLEM, exc_info=err, extra={"problem": problem})
            is_over = isinstance(err, _A_PERSON_MUST_ACT) and not self._may_owe()
            exit_code = 1 if is_over else None
            return _Turn(_FAILED, _AFTER_FAILURE_SECONDS, problem, exit_code, is_sound=is_over)

    def _take_turn(self) -> _Turn:
        wish, unread = self._read_wish()
        if wish is None:
            unserved = self._serve(self._first_settings) if self._first_settings else ""
            note = "what was asked for cannot be read" if unread else "nothing was asked for yet"
            return _Turn(note, _AFTER_FAILURE_SECONDS, unread or unserved, is_sound=not unread)
        desired, settings = wish.desired, wish.settings
        is_up = desired.want == "up"
        unserved = self._serve(settings) if is_up or self._notifier.is_kept else ""
        if unserved and is_up and not self._may_owe():
            return _Turn("the endpoint cannot be opened", 0.0, unserved, exit_code=1)
        controller = self._controller_for(settings)
        self._publish(self._told)
        tick = controller.tick(desired, settings)
        self._ticked_at = self._clock.wall()
        return _Turn(
            tick.note,
            tick.wait_seconds,
            unread or unserved,
            self._exit_code(desired) if tick.settled else None,
            heeds_demand=tick.heeds_demand,
        )

    def _read_wish(self) -> tuple[Wish | None, str]:
        """The wish to follow, and why that is not the one written last."""
        try:
            wish = wish_in_force(self._paths, last=self._wish)
        except StateError as err:
            return None, _words(err)
        self._wish = wish
        if wish and wish.unread:
            return wish, _words(wish.unread)
        if wish:
            self._keep(wish.desired)
        return wish, ""

    def _keep(self, desired: Desired) -> None:
        if desired == self._kept:
            return
        # A full disk is told of elsewhere; the next turn tries again.
        with suppress(StateError):
            save_understood(self._paths, desired)
            self._kept = desired

    def _serve(self, settings: Settings) -> str:
        """Follow the settings with the endpoint; why that is impossible, or nothing.

        A taken port forbids starting a pod, but not looking after one that runs.
        """
        try:
            self._endpoint.follow(settings)
        except ConfigError as err:
            return _words(err)
        self._url = settings.url
        return ""

    def _controller_for(self, settings: Settings) -> Reconciler:
        made_for = settings, [files.stamp(path) for path in self._key_files]
        if self._controller is None or made_for != self._made_for:
            self._controller, self._made_for = self._make_controller(settings), made_for
            self._notifier.expect_turns_of(longest_turn(settings))
        return self._controller

    def _exit_code(self, desired: Desired) -> int | None:
        """The answer once everything is settled; None while a pod or an endpoint is wanted."""
        if desired.want == "down":
            return 0
        state = read_pod_state(self._paths)
        return 1 if state and state.has_failed(desired.generation) else None

    def _may_owe(self) -> bool:
        """Whether a pod may need us; also when the record cannot be read."""
        try:
            state = read_pod_state(self._paths)
        except StateError:
            return True
        return bool(state and state.current and state.current.is_open)

    def _is_readable(self) -> bool:
        try:
            read_pod_state(self._paths)
        except StateError:
            return False
        return True

    def _wait(self, seconds: float, seen: _Seen, *, heeds_demand: bool = False) -> bool:
        """Let time pass, in suspend too; False as soon as something asks for the next turn."""
        deadline = self._clock.reading().boottime + min(seconds, self._notifier.pace)
        while self._clock.reading().boottime < deadline:
            if self._is_asked(seen) or (heeds_demand and self._is_called(seen)):
                return False
            if self._endpoint.reports() != self._shown:
                self._publish(self._told)
            self._clock.sleep(_LOOK_SECONDS)
        return True

    def _is_called(self, seen: _Seen) -> bool:
        return demand_stamps(self._paths) != seen.demand

    def _is_asked(self, seen: _Seen) -> bool:
        if self._signals.take_poke():
            self._notifier.reloading(self._clock.monotonic())
            return True
        return self._signals.stop or files.stamp(self._paths.desired) != seen.desired

    def _tell(self, turn: _Turn) -> None:
        if turn.note != self._told.note:
            _LOG.info(names.DAEMON_NOTE, extra={"note": turn.note})
        self._told = turn
        reserve.fill(self._paths)
        self._publish(turn)
        is_well = turn.is_sound and self._is_readable()
        self._notifier.running(turn.problem or turn.note, is_well=is_well)

    def _publish(self, turn: _Turn) -> None:
        self._shown = self._endpoint.reports()
        report = DaemonReport(
            pid=os.getpid(),
            started_at=self._started_at,
            tick_at=self._ticked_at,
            note=turn.note,
            url=self._url if self._endpoint.is_open else "",
            workers=self._shown,
            problem=turn.problem,
            done_with=self._done_with,
        )
        try:
            save_report(self._paths, report)
        except StateError as err:
            # A full disk hides us from `status`, but must not keep us from ending a pod.
            _LOG.warning(names.DAEMON_PROBLEM, extra={"problem": _words(err)})


def longest_turn(settings: Settings) -> float:
    """Seconds that one turn may take when each call takes its whole timeout."""
    provider = settings.provider
    longest_call = provider.connect_timeout_seconds + provider.read_timeout_seconds
    return CALLS_A_TICK * longest_call + probe.LONGEST


def _last_tick(paths: StatePaths, *, or_else: float) -> float:
    """When a daemon ticked here last. A damaged report is no proof that none ever did."""
    try:
        report = load_report(paths)
    except StateError:
        return or_else
    return report.tick_at if report else 0.0


def _words(err: Exception) -> str:
    if isinstance(err, PodmanLLMError):
        return f"{err.message}; {err.hint}" if err.hint else err.message
    return f"{type(err).__name__}: {err}"
