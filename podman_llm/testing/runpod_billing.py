"""REST v2's billing history: the meters cut into calendar buckets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from podman_llm.testing.runpod_clock import from_rfc3339, rfc3339
from podman_llm.testing.runpod_pod import RentedPod
from podman_llm.testing.runpod_problem import Problem, invalid
from podman_llm.testing.runpod_world import World

_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_AMOUNTS = ("totalAmount", "gpuAmount", "cpuAmount", "diskAmount")


class BillingRoutes:
    """``/v2/billing/pods``. Unlike the real one it does not lag behind."""

    def __init__(self, world: World) -> None:
        self._world = world

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the route."""
        router.add_get("/v2/billing/pods", self._pods, allow_head=False)

    async def _pods(self, request: web.Request) -> web.Response:
        now = self._world.settle()
        size = request.query.get("bucketSize", "day")
        if size not in _LENGTHS:
            raise invalid(f"$.bucketSize: value must be one of {', '.join(_LENGTHS)}")
        start, end = _window(request, size, now)
        pod_id = request.query.get("podId")
        pods = [pod for pod in self._world.rented.values() if pod_id in {None, pod.id}]
        buckets = list(_buckets(start, end, size))
        records = [
            record
            for since, until in buckets
            for pod in pods
            if (record := _record(pod, since, until, now))["totalAmount"]
        ]
        query = {"startTime": rfc3339(start), "endTime": rfc3339(end), "bucketSize": size}
        metadata = {
            "query": query | ({"podId": pod_id} if pod_id else {}),
            "recordCount": len(records),
            "uniquePodCount": len({record["podId"] for record in records}),
            "totals": {name: sum(record[name] for record in records) for name in _AMOUNTS},
        }
        return web.json_response({"records": records, "metadata": metadata})


def _window(request: web.Request, size: str, now: float) -> tuple[float, float]:
    explicit = {"startTime", "endTime"} & request.query.keys()
    last = request.query.get("lastN")
    if last is not None and explicit:
        raise Problem(400, "lastN and startTime/endTime are mutually exclusive")
    length = _LENGTHS[size].total_seconds()
    if last is not None:
        if not last.isdigit() or int(last) < 1:
            raise invalid("$.lastN: minimum: want 1")
        end = _floor(now, size) + length
        return end - int(last) * length, end
    try:
        start = from_rfc3339(request.query.get("startTime", rfc3339(now - 30 * 86400)))
        end = from_rfc3339(request.query.get("endTime", rfc3339(now)))
    except ValueError as err:
        raise invalid(f"$.startTime: {err}") from err
    return _floor(start, size), _floor(end + length - 1, size)


def _floor(at: float, size: str) -> float:
    """The start of the bucket that holds ``at``; weeks begin on Monday, all in UTC."""
    moment = datetime.fromtimestamp(at, UTC).replace(minute=0, second=0, microsecond=0)
    if size != "hour":
        moment = moment.replace(hour=0)
    if size == "week":
        moment -= timedelta(days=moment.weekday())
    return moment.timestamp()


def _buckets(start: float, end: float, size: str) -> Iterator[tuple[float, float]]:
    length = _LENGTHS[size].total_seconds()
    while start < end:
        yield start, start + length
        start += length


def _record(pod: RentedPod, since: float, until: float, now: float) -> dict[str, Any]:
    compute, disk = pod.meter.amounts(since, min(until, now))
    on_gpu = pod.machine.cpu is None
    return {
        "startTime": rfc3339(since),
        "endTime": rfc3339(until),
        "podId": pod.id,
        "totalAmount": compute + disk,
        "gpuAmount": compute if on_gpu else 0.0,
        "cpuAmount": 0.0 if on_gpu else compute,
        "diskAmount": disk,
    }
