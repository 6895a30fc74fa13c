"""Watching the record change: the daemon works, the command line only reads and tells.

The sentences are the daemon's own and carry seconds and dollars. On a terminal the current one is
live; elsewhere every new one is a plain line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import click

from podman_llm.cli.view import View, glance
from podman_llm.errors import PodmanLLMError
from podman_llm.host.clock import Clock
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import Failure

LOOK_EVERY = 0.2  # seconds; reading three small files, a person sees no delay


class FailedError(PodmanLLMError):
    """What the daemon recorded as the end of an ``up``."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, hint=failure.hint)
        self.exit_code = failure.exit_code


class Narrator(Protocol):
    """Tells what happens while it happens."""

    def tell(self, view: View) -> None:
        """Show the view; called at every look."""


@dataclass
class PlainNarrator:
    """One line for each new sentence. Numbers that only count up are no news."""

    write: Callable[[str], None]
    _last: str = field(default="", init=False)

    def tell(self, view: View) -> None:
        """Write the sentence when its words changed."""
        words = "".join(c for c in view.note if not c.isdigit())
        if words == self._last or not view.is_told:
            return
        self._last = words
        self.write(view.note)


@dataclass
class LiveNarrator:
    """One line per phase that stays, and a live line beneath it."""

    update: Callable[[str], None]
    keep: Callable[[str], None]
    _phase: str = field(default="", init=False)

    def tell(self, view: View) -> None:
        """Refresh the live line; keep it when the phase changed."""
        if not view.is_told:
            return
        phase = view.phase.value if view.phase and view.is_current else ""
        if phase != self._phase:
            self._phase = phase
            self.keep(view.note)
        self.update(view.note)


@contextlib.contextmanager
def narrator(*, live: bool) -> Iterator[Narrator]:
    """The narrator for this output; both write to standard error, results go to standard out."""
    if not live:
        yield PlainNarrator(lambda line: click.echo(line, err=True))
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False)
    with console.status("starting", spinner="dots") as status:
        yield LiveNarrator(
            lambda line: status.update(escape(line)),
            lambda line: console.print(line, markup=False),
        )


def follow(
    paths: StatePaths,
    clock: Clock,
    teller: Narrator,
    *,
    is_over: Callable[[View], bool],
    is_daemon_gone: Callable[[], bool],
    timeout: float | None = None,
) -> tuple[View, bool]:
    """Look until ``is_over``, the daemon ends or rests, or ``timeout`` seconds passed.

    The boolean tells whether ``is_over`` came true.
    """
    start = clock.monotonic()
    while True:
        # Asked before looking: a daemon that ends between the two has already written its last.
        gone = is_daemon_gone()
        view = glance(paths, clock.wall())
        teller.tell(view)
        if is_over(view):
            return view, True
        if gone or view.is_done or (timeout is not None and clock.monotonic() - start >= timeout):
            return view, False
        clock.sleep(LOOK_EVERY)
