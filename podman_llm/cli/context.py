"""What every command starts from: settings, the state directory in force, and where to print."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from podman_llm.errors import NotFound, StateError
from podman_llm.host.clock import Clock, SystemClock
from podman_llm.state.paths import StatePaths

if TYPE_CHECKING:
    from podman_llm.config.load import Loaded
    from podman_llm.config.models import Settings
    from podman_llm.providers.base import Provider


@dataclass
class Context:
    """One invocation.

    Heavy modules are imported by the method that needs them: ``--help`` and ``status`` stay quick.
    """

    config_path: Path | None = None
    state_dir: Path | None = None
    demo: bool = False
    verbose: bool = False
    clock: Clock = field(default_factory=SystemClock)

    @property
    def is_terminal(self) -> bool:
        """Whether a person is watching standard output."""
        return sys.stdout.isatty()

    def home(self) -> StatePaths:
        """The state directory for real pods, whatever ``--demo`` says."""
        from podman_llm.config.directories import user_state_dir

        return StatePaths(self.state_dir or user_state_dir())

    def paths(self) -> StatePaths:
        """The state directory in force.

        Without ``--demo`` a running demo is still found when nothing else is up, so that
        ``podman-llm status`` after ``podman-llm up --demo`` shows what the person started.
        """
        home = self.home()
        demo = demo_paths(home)
        if self.demo:
            return demo
        return demo if not is_up(home) and is_up(demo) else home

    def load_settings(self, flags: Mapping[str, Any] | None = None) -> Loaded:
        """Settings and their origins; ``flags`` are dotted keys with values."""
        from podman_llm.config.load import load

        return load(flags=dict(flags or {}), config_path=self.config_path, cwd=Path.cwd())

    def settings_in_force(self) -> Settings:
        """Those of the pod that was asked for here, so that the same provider is asked of it."""
        from podman_llm.config.recall import recall
        from podman_llm.state.desired import load_desired

        desired = load_desired(self.paths())
        if desired is None:
            return self.load_settings().settings
        return recall(desired.settings, self.paths().desired)

    def settings_at_work(self) -> Settings:
        """Those of the daemon that works here, or of the demo; else the configured ones."""
        paths = self.paths()
        is_real = paths.root == self.home().root
        if self.config_path or (is_real and not is_up(paths)):
            return self.load_settings().settings
        return self.settings_in_force()

    def provider(self, settings: Settings) -> Provider:
        """The provider that the settings name, with its key.

        Raises:
            ProviderRefused: it needs a key and there is none.
            NotFound: it is the demo's, and that is over. A real key is not for its old address.
        """
        from podman_llm.bootstrap.provider import make_provider
        from podman_llm.state.double import load_double, runs

        paths = self.paths()
        if paths == demo_paths(self.home()) and not runs(load_double(paths)):
            raise NotFound(
                "the demo is over: its made-up RunPod runs no more, and no pod of it does",
                hint="`podman-llm up --demo` starts another.",
            )
        return make_provider(settings, paths)

    def echo(self, text: str = "") -> None:
        """One line for the person or the pipe."""
        click.echo(text)

    def err(self, text: str) -> None:
        """One line beside the result."""
        click.echo(text, err=True)

    def emit_json(self, value: object) -> None:
        """The result, for scripts."""
        click.echo(json.dumps(value, indent=2))


pass_context = click.make_pass_decorator(Context, ensure=True)


def demo_paths(home: StatePaths) -> StatePaths:
    """The demo's own state directory, beneath the real one."""
    return StatePaths(home.root / "demo")


def is_up(paths: StatePaths) -> bool:
    """Whether a person asked for a pod here and has not asked for its end, or one is still owed."""
    from podman_llm.state.desired import load_desired
    from podman_llm.state.locks import is_held
    from podman_llm.state.report import load_report

    try:
        desired = load_desired(paths)
    except StateError:
        return True  # what is wanted is unknown, which is not "nothing"
    if desired is None:
        return False
    if desired.want == "up":
        return True
    report = load_report(paths)
    return is_held(paths) and not (report and report.is_done_with(desired))
