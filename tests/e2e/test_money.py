"""Caps, ledger and warnings with the real daemon, against the made-up RunPod's own bill."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.e2e.machine import Cloud, Machine, eventually


def test_a_budget_that_pays_for_no_boot_rents_nothing(machine: Machine, cloud: Cloud) -> None:
    run = machine.run("up", "--budget", "0.001", code=8)
    assert "the budget leaves" in run.stderr
    assert "podman-llm cost" in run.stderr
    assert cloud.bill()["pods"] == []


def test_an_account_that_pays_no_hour_rents_nothing(machine: Machine, cloud: Cloud) -> None:
    cloud.post("balance", {"usd": 0.05})
    run = machine.run("up", code=9)
    assert "does not pay one hour" in run.stderr
    assert cloud.bill()["pods"] == []


def test_the_ledger_holds_the_whole_bill_also_after_kill_9(machine: Machine, cloud: Cloud) -> None:
    machine.run("up")
    machine.processes()
    daemon = machine.status()["daemon_pid"]
    next(one for one in machine.processes() if one.pid == daemon).send_signal(signal.SIGKILL)
    machine.run("--shutdown")
    costs = json.loads(machine.run("cost", "--json").stdout)
    (pod,) = costs["pods"]
    assert pod["is_settled"]
    assert pod["reason"] == "user"
    bill = costs["bill"]
    assert costs["total"]["usd"] >= bill["usd"] > 0
    assert costs["disks"]["usd"] >= bill["disks_usd"] > 0
    (entry,) = json.loads(machine.run("history", "--json").stdout)
    assert entry["usd"] == costs["total"]["usd"]


class Inbox(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    received: list[dict[str, Any]]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.received.append(json.loads(self.rfile.read(length)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    received: list[dict[str, Any]] = []
    handler = type("OwnInbox", (Inbox,), {"received": received})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", received
        server.shutdown()
        thread.join(5)


def test_a_warning_reaches_status_log_and_webhook_once(
    machine: Machine, cloud: Cloud, inbox: tuple[str, list[dict[str, Any]]]
) -> None:
    url, received = inbox
    machine.environment["PODMAN_LLM_BUDGET__WARN_WEBHOOK"] = url
    # Two cents are a few minutes of any of these pods: the last warning is due at once.
    machine.run("up", "--for", "60s", "--budget", "0.02")
    eventually(lambda: received, what="the webhook")
    assert all(message["event"] == "pod.notice" for message in received)
    notices = machine.status()["notices"]
    assert notices
    assert [f"podman-llm: {one['text']}" for one in notices] == [one["text"] for one in received]
    log = (machine.state_dir / "logs" / "daemon.log").read_text()
    assert log.count("pod.notice ") == len(received)
    assert url not in log
    machine.run("--shutdown")
