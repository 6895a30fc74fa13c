"""Where everything lives below one state directory."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from podman_llm.errors import StateError

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class StatePaths:
    """The names of the files of one state directory; nothing is made by asking for them.

    ``root`` is made absolute and its links are followed: it is how processes with other working
    directories recognise each other's workers.
    """

    root: Path

    def __post_init__(self) -> None:
        """Give the directory its one name."""
        object.__setattr__(self, "root", self.root.resolve())

    @property
    def owner(self) -> Path:
        """Who we are to the provider; outlives all other state."""
        return self.root / "owner.json"

    @property
    def desired(self) -> Path:
        """What the person wants. Written by the CLI."""
        return self.root / "desired.json"

    @property
    def understood(self) -> Path:
        """The last of these wishes that could be followed. Written by the holder of the lock."""
        return self.root / "understood.json"

    @property
    def reserve(self) -> Path:
        """Room for writing down a pod's end on a full disk. Filled by the daemon."""
        return self.root / "reserve"

    @property
    def pod_state(self) -> Path:
        """What we believe of our pods. Written by the holder of the lock."""
        return self.root / "pod_state.json"

    @property
    def previous_pod_state(self) -> Path:
        """The generation of ``pod_state`` before the present one."""
        return self.root / "pod_state.json.prev"

    @property
    def report(self) -> Path:
        """How the daemon fares. Written by the daemon."""
        return self.root / "daemon.json"

    @property
    def lock(self) -> Path:
        """Held by the one controller; never unlinked."""
        return self.root / "daemon.lock"

    @property
    def activity_dir(self) -> Path:
        """One file per proxy worker, each written by that worker."""
        return self.root / "activity"

    @property
    def demand_dir(self) -> Path:
        """One file per proxy worker: what its requests ask of a pod that sleeps."""
        return self.root / "demand"

    @property
    def orders_dir(self) -> Path:
        """One file per circuit that a person overruled. Written by the proxy workers."""
        return self.root / "circuits"

    @property
    def catalog(self) -> Path:
        """The last good catalog of models and GPUs."""
        return self.root / "catalog.json"

    @property
    def ledger(self) -> Path:
        """What pods cost. Written by the holder of the lock."""
        return self.root / "ledger.sqlite"

    @property
    def daemon_log(self) -> Path:
        """What the daemon tells."""
        return self.root / "logs" / "daemon.log"

    @property
    def proxy_log(self) -> Path:
        """What the proxy workers tell."""
        return self.root / "logs" / "proxy.log"

    def ensure(self) -> None:
        """Make the directories, private to this person.

        Raises:
            StateError: the directory is another user's, others may write to it, or it cannot be
                made. Who can swap these files can make us end, or keep paying for, a pod.
        """
        try:
            below = (self.activity_dir, self.demand_dir, self.orders_dir, self.daemon_log.parent)
            for directory in (self.root, *below):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                _refuse_shared(directory)
        except OSError as err:
            raise StateError(
                f"cannot make the state directory {self.root}: {err.strerror or err}",
                hint="name a writable one with --state-dir",
            ) from err


def _refuse_shared(directory: Path) -> None:
    seen = directory.stat()
    if seen.st_uid != os.geteuid():
        raise StateError(
            f"{directory} belongs to another user (uid {seen.st_uid})",
            hint="name a directory of your own with --state-dir",
        )
    if seen.st_mode & _OTHERS_MAY_WRITE:
        raise StateError(
            f"others may write to {directory} (mode {stat.S_IMODE(seen.st_mode):o})",
            hint=f"chmod 700 {directory}",
        )
