"""A daemon whose controller does nothing but obey, as a process that tests may kill.

``python daemon.py STATE_DIR``
"""

from __future__ import annotations

import sys
from pathlib import Path

from podman_llm.config.models import Settings
from podman_llm.core.restart import RestartPolicy
from podman_llm.daemon import Daemon
from podman_llm.host.clock import SystemClock
from podman_llm.host.signals import Signals
from podman_llm.host.sockets import bind_listener
from podman_llm.pods.controller import Tick
from podman_llm.state.desired import Desired
from podman_llm.state.paths import StatePaths
from podman_llm.supervisor.endpoint import Endpoint

_PATHS = StatePaths(Path(sys.argv[1]))
_WORKER = str(Path(__file__).with_name("worker.py"))


class Obedient:
    def tick(self, desired: Desired, settings: Settings) -> Tick:
        return Tick(desired.want, wait_seconds=3600, settled=desired.want == "down")


def argv(slot: int, fd: int, lifeline: int) -> list[str]:
    numbers = [str(slot), str(fd), str(lifeline)]
    return [sys.executable, _WORKER, "worker", str(_PATHS.root), *numbers, "plain"]


clock = SystemClock()
sys.exit(
    Daemon(
        paths=_PATHS,
        clock=clock,
        signals=Signals(),
        endpoint=Endpoint(
            paths=_PATHS, clock=clock, argv=argv, bind=bind_listener, policy=RestartPolicy()
        ),
        make_controller=lambda settings: Obedient(),
        redact=str,
    ).run()
)
