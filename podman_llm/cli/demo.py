"""``up --demo``: the shipped RunPod double as its own process, and settings that point at it.

The double outlives the daemon, as RunPod would; everything else is the production path. Its state
and its cache are its own, so that made-up answers never pose as a real model's.
"""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from podman_llm.cli.context import Context, demo_paths
from podman_llm.cli.launch import spawn_detached, tail
from podman_llm.config.models import Settings
from podman_llm.errors import PodmanLLMError
from podman_llm.host.clock import Clock
from podman_llm.host.process import create_time, terminate
from podman_llm.state.double import (
    DEMO_KEY,
    Double,
    forget_double,
    load_double,
    runs,
    save_double,
)
from podman_llm.state.paths import StatePaths

_START_SECONDS = 15.0
_GRACE_SECONDS = 5.0


def root(context: Context) -> Path:
    """Where the demo keeps its state."""
    return demo_paths(context.home()).root


def prepare(paths: StatePaths, settings: Settings, clock: Clock) -> Settings:
    """See that the double runs; settings for renting from it.

    Raises:
        PodmanLLMError: the double does not start.
    """
    paths.ensure()
    double = load_double(paths)
    if double is None or not runs(double):
        double = _start(paths, clock, port=double.port if double else 0)
    return settings.model_copy(
        update={
            "initial_wait_seconds": 0.0,
            "poll_interval_seconds": 0.5,
            "max_startup_attempts": 240,
            "cache_dir": paths.root / "cache",
            "provider": settings.provider.model_copy(
                update={
                    "kind": "runpod",
                    "api_base": double.url,
                    "endpoint_template": double.url + "/{pod_id}-{port}",
                    "settle_seconds": 1.0,
                    "quarantine_seconds": 5.0,
                }
            ),
        }
    )


def _start(paths: StatePaths, clock: Clock, *, port: int) -> Double:
    log, announce = paths.root / "logs" / "double.log", paths.root / "double.url"
    announce.unlink(missing_ok=True)
    argv = ["dev", "fake-runpod", "--port", str(port), "--api-key", DEMO_KEY]
    process = spawn_detached([*argv, "--announce", str(announce)], log)
    start = clock.monotonic()
    while not announce.exists():
        if process.poll() is not None or clock.monotonic() - start > _START_SECONDS:
            raise PodmanLLMError(f"the demo's RunPod double does not start:\n{tail(log)}")
        clock.sleep(0.02)
    url = announce.read_text(encoding="utf-8").strip()
    announce.unlink()
    created = create_time(process.pid)
    if created is None:
        raise PodmanLLMError(f"the demo's RunPod double ended at once:\n{tail(log)}")
    double = Double(url, int(url.rsplit(":", 1)[1]), process.pid, created)
    save_double(paths, double)
    process.returncode = 0  # it outlives us on purpose: there is nothing to wait for
    return double


def end(paths: StatePaths) -> dict[str, Any] | None:
    """Read the double's bill, then end it. None when no double runs."""
    double = load_double(paths)
    if double is None or not runs(double):
        forget_double(paths)
        return None
    with urllib.request.urlopen(f"{double.url}/_double/bill", timeout=5) as answer:  # noqa: S310 - loopback, our own process
        bill = json.load(answer)
    terminate(double.pid, double.created, grace=_GRACE_SECONDS)
    forget_double(paths)
    return {"live": len(bill["live"]), "usd": bill["usd"]}
