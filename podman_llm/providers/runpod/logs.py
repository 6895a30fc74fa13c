"""A pod's log lines from RunPod's event stream, which never ends by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from podman_llm.core.sse import EventTooLarge, SseParser
from podman_llm.errors import NotFound, ProviderUnreachable
from podman_llm.host.clock import Clock
from podman_llm.providers.base import LogLine
from podman_llm.providers.runpod.api import pod_path
from podman_llm.providers.runpod.client import RunpodClient, failure, is_problem
from podman_llm.providers.wire import Reply

_SOURCES: Final = {"pod": "container", "system": "system"}
_TAIL_MAX: Final = 5000
_QUIET_SECONDS: Final = 4.0
"""Silence after which the lines written so far count as told."""
_TELLING_SECONDS: Final = 20.0
"""A server that logs without a pause would be listened to for ever."""
_IDLE_SECONDS: Final = 60.0
"""Silence after which a followed stream is opened again: a dead connection looks the same."""
_PAUSE_SECONDS: Final = 3.0
"""Between two openings of a followed stream: 20 a minute, of the 60 requests that RunPod grants."""
_FAILURES_MAX: Final = 6
_EVENT_MAX: Final = 1024 * 1024


@dataclass(frozen=True)
class _Event:
    id: str
    line: LogLine | None


def tail(
    client: RunpodClient, clock: Clock, pod_id: str, *, source: str, count: int
) -> Iterator[LogLine]:
    """The last ``count`` lines, as far as they come without a pause, and within so long.

    What is written while we read comes after all that was asked for; it may go on for ever.

    Raises:
        NotFound, ProviderRefused, ProviderUnreachable: no usable answer.
    """
    left, until = count, clock.monotonic() + _TELLING_SECONDS

    def is_over() -> bool:
        return clock.monotonic() >= until

    for event in _events(
        client, pod_id, source, count, last_id="", quiet=_QUIET_SECONDS, is_over=is_over
    ):
        if event.line and left > 0:
            yield event.line
            left -= 1
        if left <= 0:
            return


def follow(
    client: RunpodClient, clock: Clock, pod_id: str, *, source: str, count: int
) -> Iterator[LogLine]:
    """The last ``count`` lines and those that come after, until the pod is gone.

    A stream that breaks is taken up after the last event seen.

    Raises:
        NotFound: there is no such pod, from the start.
        ProviderRefused, ProviderUnreachable: no usable answer, six times in a row.
    """
    last_id, failures = "", 0
    while True:
        try:
            events = _events(client, pod_id, source, count, last_id=last_id, quiet=_IDLE_SECONDS)
            for event in events:
                failures, last_id = 0, event.id or last_id
                if event.line:
                    yield event.line
        except NotFound:
            if last_id:
                return
            raise
        except ProviderUnreachable:
            failures += 1
            if failures >= _FAILURES_MAX:
                raise
        clock.sleep(min(_PAUSE_SECONDS * 2.0**failures, 60.0))


def _events(
    client: RunpodClient,
    pod_id: str,
    source: str,
    count: int,
    *,
    last_id: str,
    quiet: float,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[_Event]:
    query = {"source": _SOURCES.get(source, source), "tail": str(min(count, _TAIL_MAX))}
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
    path = f"{pod_path(pod_id)}/logs"
    with client.stream(path, query=query, headers=headers, quiet=quiet) as (head, chunks):
        if isinstance(head, Reply) and head.status == HTTPStatus.NOT_FOUND and is_problem(head):
            raise NotFound(f"there is no pod {pod_id}")
        if not isinstance(head, Reply) or head.media_type != "text/event-stream":
            raise failure(head)
        parser = SseParser(_EVENT_MAX)
        try:
            for chunk in chunks:
                yield from map(_event, parser.feed(chunk))
                if is_over():
                    return
        except EventTooLarge as err:
            raise ProviderUnreachable(f"RunPod: the log stream holds {err}") from err


def _event(raw: bytes) -> _Event:
    event_id, data = "", []
    for line in raw.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(":")
        if name == "id":
            event_id = value.strip()
        elif name == "data":
            data.append(value.removeprefix(" "))
    return _Event(event_id, _log_line("\n".join(data)))


def _log_line(data: str) -> LogLine | None:
    try:
        document = json.loads(data)
    except ValueError:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("line"), str):
        return None
    return LogLine(
        str(document.get("ts", "")), str(document.get("source", "")), document["line"].rstrip("\n")
    )
