"""Starts real daemons that die by SIGKILL after their n-th durable step.

``python -m tests.proof.launcher`` reads lines ``STATE_DIR N`` and answers each with how the daemon
ended, as ``subprocess`` tells it: an exit code, or a signal's number, negative. With N = 0 nothing
is killed. Each daemon is the product's own, put together by ``bootstrap`` in a fork of this
process, which has everything imported already. Only its proxy workers are left out; and as soon as
READY is on the disk, the wish becomes ``down``.

A durable step is a save of the state, an entry in the ledger, or an order to the provider that was
answered.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from podman_llm.bootstrap import control
from podman_llm.bootstrap.provider import make_provider
from podman_llm.config.models import Settings
from podman_llm.core.pod import Phase
from podman_llm.pods import controller, planning
from podman_llm.providers import probe
from podman_llm.providers.runpod import provider
from podman_llm.state.desired import load_desired, save_desired
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import PodState, StateStore
from podman_llm.supervisor import endpoint
from podman_llm.usage.ledger import PodLedger

PRELOADED = (controller, planning, probe, provider)
ORDERS = frozenset({"create", "terminate"})


class Steps:
    """Counts durable steps, and ends this process, unheard, after the n-th."""

    def __init__(self, last: int) -> None:
        self._left = last

    def took(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def taken(*args: Any, **named: Any) -> Any:
            answer = step(*args, **named)
            self.took()
            return answer

        return taken


class Counting:
    """A provider whose orders are steps."""

    def __init__(self, real: Any, steps: Steps) -> None:
        self._real = real
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return self._steps.counted(found) if name in ORDERS else found


class NoDoor(endpoint.Endpoint):
    """No socket and no workers: what is proved here is the control plane."""

    is_open = True

    def follow(self, settings: Settings) -> None:
        """There is nothing to follow with."""


def run(root: Path, last: int) -> NoReturn:
    """Be the daemon of that state directory, until the end of it."""
    steps, paths = Steps(last), StatePaths(root)
    save = StateStore.save

    def saved(self: StateStore, state: PodState) -> None:
        save(self, state)
        steps.took()
        if state.current and state.current.phase is Phase.READY:
            _wish_down(paths)

    StateStore.save = saved  # type: ignore[method-assign]
    PodLedger.enter = steps.counted(PodLedger.enter)  # type: ignore[method-assign]
    control.make_provider = lambda *args: Counting(make_provider(*args), steps)  # type: ignore[attr-defined]
    control.Endpoint = NoDoor  # type: ignore[attr-defined]
    os._exit(control.run_daemon(paths))


def _wish_down(paths: StatePaths) -> None:
    wish = load_desired(paths)
    if wish is not None and wish.want == "up":
        save_desired(paths, wish.model_copy(update={"want": "down"}))


def main() -> None:
    """Fork a daemon for each line, and tell how it ended."""
    for line in sys.stdin:
        root, last = line.split()
        child = os.fork()
        if child == 0:
            run(Path(root), int(last))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
