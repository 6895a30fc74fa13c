"""The name of each thing that happens: the message of a log line, the word to search for."""

from __future__ import annotations

from typing import Final

DAEMON_STARTED: Final = "daemon.started"
DAEMON_NOTE: Final = "daemon.note"
DAEMON_PROBLEM: Final = "daemon.problem"
DAEMON_STOPPED: Final = "daemon.stopped"

ENDPOINT_OPENED: Final = "endpoint.opened"
ENDPOINT_CLOSED: Final = "endpoint.closed"
ORPHAN_ENDED: Final = "worker.orphan_ended"

WORKER_STARTED: Final = "worker.started"
WORKER_ENDED: Final = "worker.ended"
WORKER_UNSTARTABLE: Final = "worker.unstartable"
WORKER_KILLED: Final = "worker.killed"
