"""Pod logs: what the host and the container write, and the event stream that tells it.

The lines follow from the pod's history and the clock, so a reader sees the same lines under the
same ids however often it asks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from aiohttp import web

from podman_llm.testing.runpod_clock import from_rfc3339, rfc3339
from podman_llm.testing.runpod_containers import read_serving
from podman_llm.testing.runpod_pod import Fate, RentedPod
from podman_llm.testing.runpod_problem import invalid
from podman_llm.testing.runpod_world import World

_POLL_SECONDS = 0.05
_MOST_TAIL = 5000
_BROKEN_HOST_SECONDS = 10.0

_GUARD: Final = "PLLM-GUARD armed deadline={deadline} selfkey={selfkey}"
_VLLM: Final = (
    (0.0, "PLLM-BOOT ok key={key}"),
    (0.05, "(APIServer pid=1) INFO [utils.py:233] vLLM API server version 0.32.0"),
    (0.05, "(APIServer pid=1) INFO [model.py:547] Resolved architecture: Qwen3ForCausalLM"),
    (0.1, "(APIServer pid=1) INFO [model.py:1510] Using max model len {max_model_len}"),
    (0.3, "(EngineCore pid=119) INFO [gpu_model_runner.py:2602] Starting to load model {name}..."),
    (0.6, "(EngineCore pid=119) INFO [default_loader.py:267] Loading weights took 11.32 seconds"),
    (0.8, "(EngineCore pid=119) INFO [kv_cache_utils.py:1087] GPU KV cache size: 182,432 tokens"),
    (
        0.9,
        "(EngineCore pid=119) INFO [gpu_model_runner.py:3480] Graph capturing finished in 9 secs",
    ),
    (1.0, "(APIServer pid=1) INFO [api_server.py:1912] Starting vLLM API server on 0.0.0.0:{port}"),
    (1.0, "(APIServer pid=1) INFO:     Application startup complete."),
)
"""Lines of a healthy start, each at its fraction of the load time."""

_OUT_OF_MEMORY: Final = (
    "(EngineCore pid=119) ERROR torch.OutOfMemoryError: CUDA out of memory.",
    "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.",
)

_OLD_DRIVER: Final = (
    "error starting container: Error response from daemon: failed to create task for container: "
    "OCI runtime create failed: nvidia-container-cli: requirement error: unsatisfied condition: "
    "cuda>=12.8, please update your driver to a newer version"
)


@dataclass(frozen=True)
class Line:
    """One line, written at ``at`` (wall seconds of the world)."""

    at: float
    source: str
    text: str


def written(pod: RentedPod, now: float) -> list[Line]:
    """Everything written so far, oldest first; a line keeps its place for ever."""
    spoken = (Line(at, "container", text) for at, text in pod.output or ())
    ends = [at for at, _ in pod.history[1:]] + [float("inf")]
    lines = (
        line
        for (at, event), end in zip(pod.history, ends, strict=True)
        for line in _lines_of(pod, event, at, min(end, now))
        if line.at < end and line.at <= now
    )
    return sorted(chain(lines, spoken), key=lambda line: line.at)


def _lines_of(pod: RentedPod, event: str, at: float, until: float) -> Iterator[Line]:
    image = pod.settings.image
    match event:
        case "PROVISIONING":
            yield Line(at, "system", f"create pod network and container {image}")
        case "STARTING":
            yield Line(at, "system", f"pull {image}: Image is up to date")
            if pod.fate is Fate.BROKEN_HOST:
                for attempt in range(int((until - at) // _BROKEN_HOST_SECONDS) + 1):
                    yield Line(at + attempt * _BROKEN_HOST_SECONDS, "system", _OLD_DRIVER)
        case "RUNNING" | "restart" | "killed":
            yield Line(at, "system", f"start container for {image}: begin")
            yield from _container_lines(pod, at, until)
        case "EXITED":
            yield Line(at, "system", f"stop container {image}")
        case "ERROR":
            yield Line(at, "system", "error creating container: no command specified")
        case _:
            pass


def _container_lines(pod: RentedPod, at: float, until: float) -> Iterator[Line]:
    if pod.output is not None:
        return  # it speaks for itself
    if pod.fate is Fate.CRASH_LOOP:
        while at <= until:
            died = at + pod.schedule.crash
            yield from _start(pod, at, upto=0.5)
            yield from (Line(died, "container", text) for text in _OUT_OF_MEMORY)
            yield Line(died, "system", f"start container for {pod.settings.image}: begin")
            at = died
    else:
        yield from _start(pod, at, upto=0.5 if pod.fate is Fate.NEVER_SERVES else 1.0)


def _start(pod: RentedPod, at: float, *, upto: float) -> Iterator[Line]:
    serving = read_serving(pod)
    if _is_guarded(pod):
        deadline = pod.settings.env.get("PLLM_DEADLINE")
        yield Line(at, "container", _GUARD.format(deadline=deadline, selfkey=pod.key_status))
    facts = {
        "key": "demanded" if serving.key_sha256 else "none",
        "max_model_len": serving.max_model_len,
        "name": serving.model,
        "port": serving.port,
    }
    for fraction, text in _VLLM:
        if fraction <= upto:
            when = at + fraction * pod.schedule.load
            yield Line(when, "container", text.format_map(facts))


def _is_guarded(pod: RentedPod) -> bool:
    has_guard = any("PLLM-GUARD" in part for part in pod.settings.entrypoint)
    return has_guard and pod.fate is not Fate.UNGUARDED


class LogRoutes:
    """``/v2/pods/{id}/logs``."""

    def __init__(self, world: World) -> None:
        self._world = world

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the route."""
        router.add_get("/v2/pods/{id}/logs", self._stream, allow_head=False)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        pod = self._world.find(request.match_info["id"])
        source = request.query.get("source")
        if source not in {None, "container", "system"}:
            raise invalid("$.source: value must be one of 'container', 'system'")
        position = _backfill(request, written(pod, self._world.settle()), source)
        stream = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-cache",
                "X-Accel-Buffering": "no",
            }
        )
        await stream.prepare(request)
        await self._follow(stream, pod, source, position)
        return stream

    async def _follow(
        self, stream: web.StreamResponse, pod: RentedPod, source: str | None, position: int
    ) -> None:
        """Send lines from ``position`` on, for as long as there is a pod and a reader."""
        while True:
            lines = written(pod, self._world.settle())
            for number, line in enumerate(lines[position:], start=position):
                if source in {None, line.source}:
                    await stream.write(_event(number, line))
            position = len(lines)
            if pod not in self._world.live():
                return
            await asyncio.sleep(_POLL_SECONDS)


def _event(number: int, line: Line) -> bytes:
    moment = rfc3339(line.at)
    data = json.dumps({"ts": moment, "source": line.source, "line": line.text})
    return f"id: {moment}/{number:012d}\ndata: {data}\n\n".encode()


def _backfill(request: web.Request, lines: list[Line], source: str | None) -> int:
    """Where to begin: after the last event seen, at ``since``, or ``tail`` lines from the end."""
    last_seen, since = request.headers.get("Last-Event-ID"), request.query.get("since")
    moment, _, number = (last_seen or since or "").partition("/")
    if number.isdigit():
        return int(number) + 1
    if moment:
        try:
            at = from_rfc3339(moment)
        except ValueError as err:
            raise invalid(f"$.since: {err}") from err
        return sum(line.at < at for line in lines)
    tail = request.query.get("tail", "100")
    if not tail.isdigit() or int(tail) > _MOST_TAIL:
        raise invalid(f"$.tail: must be an integer between 0 and {_MOST_TAIL}")
    wanted = [at for at, line in enumerate(lines) if source in {None, line.source}]
    kept = wanted[len(wanted) - int(tail) :] if int(tail) < len(wanted) else wanted
    return kept[0] if kept and int(tail) else len(lines)
