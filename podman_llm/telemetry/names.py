"""The name of each thing that happens: the message of a log line, the word to search for."""

from __future__ import annotations

from typing import Final

DAEMON_STARTED: Final = "daemon.started"
DAEMON_NOTE: Final = "daemon.note"
DAEMON_PROBLEM: Final = "daemon.problem"
DAEMON_STOPPED: Final = "daemon.stopped"

POD_NOTICE: Final = "pod.notice"
NOTICE_UNSENT: Final = "pod.notice_unsent"

ENDPOINT_OPENED: Final = "endpoint.opened"
ENDPOINT_CLOSED: Final = "endpoint.closed"
ORPHAN_ENDED: Final = "worker.orphan_ended"

WORKER_STARTED: Final = "worker.started"
WORKER_ENDED: Final = "worker.ended"
WORKER_UNSTARTABLE: Final = "worker.unstartable"
WORKER_HUNG: Final = "worker.hung"
WORKER_KILLED: Final = "worker.killed"

REQUEST_ANSWERED: Final = "request.answered"
REQUEST_FAILED: Final = "request.failed"
REQUEST_MALFORMED: Final = "request.malformed"
UPSTREAM_FAILED: Final = "upstream.failed"
FAILED_OVER: Final = "request.failed_over"
CIRCUIT_MOVED: Final = "circuit.moved"
ORDER_UNREADABLE: Final = "circuit.order_unreadable"
ANSWER_CUT: Final = "answer.cut"
ACTIVITY_UNWRITTEN: Final = "activity.unwritten"
DEMAND_UNWRITTEN: Final = "demand.unwritten"
PROXY_DRAINING: Final = "proxy.draining"
PROXY_UNDRAINED: Final = "proxy.undrained"
DAEMON_GONE: Final = "proxy.daemon_gone"
