"""The endpoint on localhost: the listening socket and the workers on it, as the settings say.

A slot is the number of a worker's files, which go on from one worker to the next. Two workers that
run at the same time have two, so that neither writes over what the other has counted.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Container, Iterable
from itertools import count, islice

from podman_llm.config.models import Settings
from podman_llm.core.pulse import PulsePolicy
from podman_llm.core.restart import RestartPolicy
from podman_llm.host.clock import Clock
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import WorkerReport
from podman_llm.supervisor.orphans import Orphan, ask_to_end, find_orphans, see_off
from podman_llm.supervisor.slot import Upkeep, WorkerArgv
from podman_llm.supervisor.supervisor import Supervisor
from podman_llm.telemetry import names

Bind = Callable[[str, int], socket.socket]
"""A listening socket for a host and port, or ``ConfigError``."""

_MARGIN_SECONDS = 5.0
"""What a worker gets beyond its own draining before it is killed."""

_LOOK_SECONDS = 0.002

_NOT_THE_WORKERS = frozenset(
    {
        "pod",
        "provider",
        "gpu_type_id",
        "template_id",
        "runtime_seconds",
        "initial_wait_seconds",
        "max_startup_attempts",
        "poll_interval_seconds",
    }
)
"""Settings about renting; a worker that has others than before must be started again."""

_LOG = logging.getLogger(__name__)


class Endpoint:
    """Owned by the daemon. Open from the first ``follow`` to ``close``; may be opened again."""

    def __init__(
        self,
        *,
        paths: StatePaths,
        clock: Clock,
        argv: WorkerArgv,
        bind: Bind,
        policy: RestartPolicy,
    ) -> None:
        self._paths = paths
        self._clock = clock
        self._argv = argv
        self._bind = bind
        self._policy = policy
        self._grace = Settings().proxy.drain_seconds + _MARGIN_SECONDS
        self._listener: socket.socket | None = None
        self._crews: list[Supervisor] = []
        self._address: tuple[str, int] | None = None
        self._served: dict[str, object] | None = None
        self._orphans: tuple[Orphan, ...] | None = None

    @property
    def is_open(self) -> bool:
        """Whether clients are served."""
        return bool(self._crews)

    @property
    def closing_seconds(self) -> float:
        """How long ``close`` may take: our own workers first, then those of a killed daemon."""
        return max((crew.grace for crew in self._crews), default=self._grace) + self._grace

    def reports(self) -> tuple[WorkerReport, ...]:
        """How each worker fares, by slot, the leaving ones too; none while closed."""
        reports = (report for crew in self._crews for report in crew.reports())
        return tuple(sorted(reports, key=lambda report: report.slot))

    def follow(self, settings: Settings) -> None:
        """Serve as ``settings`` say; nothing happens when they are those already served.

        Those who serve go on until others accept in their place, and then finish their answers:
        nobody waits, and workers that cannot start cost nobody the endpoint. The caller does not
        wait either. Workers of a killed daemon are ended first, if the port is theirs.

        Raises:
            ConfigError: the port cannot be had; whatever was served goes on.
        """
        wanted = settings.model_dump(mode="json", exclude=set(_NOT_THE_WORKERS))
        if wanted == self._served:
            return
        address = (settings.proxy.host, settings.proxy_port)
        listener = self._listener
        if listener is None or address != self._address:
            listener = self._take_over(*address)
        if self._listener is not listener:
            self._close_listener()
        if self._served and wanted["use_https"] != self._served["use_https"]:
            # On one socket a client would meet the one or the other by chance.
            _ask_all_to_end(self._crews)
        self._listener, self._address, self._served = listener, address, wanted
        self._grace = settings.proxy.drain_seconds + _MARGIN_SECONDS
        self._relieve(listener, settings.proxy.workers)
        _LOG.info(names.ENDPOINT_OPENED, extra={"url": settings.url})

    def close(self) -> None:
        """End every worker, also those of a killed daemon, and give the port back."""
        orphans = self._orphans_asked()
        _ask_all_to_end(self._crews)
        # Whoever comes now is refused at once: in the backlog they would wait for nobody.
        self._close_listener()
        for crew in self._crews:
            crew.stop()
        self._crews = []
        self._served = None
        see_off(orphans, clock=self._clock, grace=self._grace)

    def _take_over(self, host: str, port: int) -> socket.socket:
        """Bind; orphans may still hold the port, and let go of it long before they end."""
        orphans = self._orphans_asked()
        deadline = self._clock.monotonic() + self._grace
        # From the moment when they let go clients are refused, so no time is lost from then on.
        while any(orphan.holds(port) for orphan in orphans):
            if self._clock.monotonic() > deadline:
                see_off(orphans, clock=self._clock, grace=0)
                break
            self._clock.sleep(_LOOK_SECONDS)
        return self._bind(host, port)

    def _orphans_asked(self) -> tuple[Orphan, ...]:
        """Those of a killed daemon, found before we have workers of our own, and told to go."""
        if self._orphans is None:
            self._orphans = find_orphans(self._paths)
            for orphan in self._orphans:
                ask_to_end(orphan)
        return self._orphans

    def _relieve(self, listener: socket.socket, workers: int) -> None:
        """Start a crew; as soon as it serves, those before it leave."""
        before = [crew for crew in self._crews if not crew.is_over]
        if any(crew.is_serving for crew in before):
            _ask_all_to_end(crew for crew in before if not crew.is_serving)
        crew = Supervisor(
            slots=free_slots(self._slots_in_use(before), workers),
            argv=self._argv,
            listener=listener,
            clock=self._clock,
            upkeep=Upkeep(self._policy, PulsePolicy(), self._paths.proxy_log),
            grace=self._grace,
            once_serving=lambda: _ask_all_to_end(before),
        )
        crew.start()
        self._crews = [*before, crew]

    def _slots_in_use(self, crews: Iterable[Supervisor]) -> set[int]:
        """Those of our own workers and of a killed daemon's that still finish their answers."""
        orphaned = {orphan.slot for orphan in self._orphans or () if orphan.is_alive}
        return orphaned.union(*(crew.slots for crew in crews))

    def _close_listener(self) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None
            _LOG.info(names.ENDPOINT_CLOSED)


def free_slots(in_use: Container[int], number: int) -> tuple[int, ...]:
    """The lowest ``number`` of slots that are not in use."""
    return tuple(islice((slot for slot in count() if slot not in in_use), number))


def _ask_all_to_end(crews: Iterable[Supervisor]) -> None:
    for crew in crews:
        crew.ask_to_end()
