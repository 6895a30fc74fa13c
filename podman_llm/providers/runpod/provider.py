"""RunPod as a provider: REST v2 for pods, our classification on top."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from podman_llm.config.models import ProviderSettings
from podman_llm.core.catalog import GpuOffer, ModelEntry
from podman_llm.core.sight import (
    CreateOutcome,
    Gone,
    Listing,
    PodSight,
    Sight,
    Terminated,
    TerminateFailed,
    TerminateOutcome,
    Unknown,
)
from podman_llm.errors import ProviderUnreachable
from podman_llm.host.clock import Clock
from podman_llm.providers.base import Account, Billing, CreateRequest, LogLine, Reached
from podman_llm.providers.runpod import api, graphql, logs
from podman_llm.providers.runpod.client import RunpodClient, failure, is_problem, why
from podman_llm.providers.runpod.outcome import create_outcome
from podman_llm.providers.wire import NoReply, Reply

_PAGE_LIMIT: Final = "1000"
_PAGES_MAX: Final = 100
"""A list that has not ended after 100,000 pods does not end."""

_DISK_USD_PER_GB_MONTH: Final = 0.10
"""Of a running container; as published in November 2026. A stopped one's is erased and free."""
_HOURS_A_MONTH: Final = 28 * 24
"""The shortest: what a month is to a bill that counts seconds is not published."""

_ACCEPTED: Final = {HTTPStatus.OK, HTTPStatus.NO_CONTENT}
_NOTHING_TO_END: Final = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
"""RunPod's own word that there is no such pod, or that it is in no state to be ended again."""


class RunpodProvider:
    """Pods on RunPod.

    Raises:
        ConfigError: the key cannot be one.
    """

    def __init__(self, settings: ProviderSettings, api_key: str, clock: Clock) -> None:
        self._client = RunpodClient(settings, api_key, clock)
        self._endpoint = settings.endpoint_template
        self._clock = clock

    @property
    def name(self) -> str:
        """The provider's name."""
        return "runpod"

    @property
    def disk_usd_per_gb_hour(self) -> float:
        """By RunPod's price list; no call of the API tells it."""
        return _DISK_USD_PER_GB_MONTH / _HOURS_A_MONTH

    @property
    def guarded(self) -> bool:
        """A pod bills until somebody ends it, and inside it runs a guard that does."""
        return True

    @property
    def keyed(self) -> bool:
        """A pod's port is open to the world, so its server always demands the key."""
        return True

    def gpus(self) -> Sequence[GpuOffer]:
        """What can be rented now, with stock per data centre.

        Raises:
            ProviderRefused, ProviderUnreachable: no usable answer.
        """
        query = {"include": "AVAILABILITY", "product": "POD"}
        try:
            return api.gpu_offers(self._client.fetch("/v2/catalog/gpus", query=query))
        except api.Malformed as err:
            raise ProviderUnreachable(f"RunPod: {err}") from err

    def models(self) -> Sequence[ModelEntry]:
        """The account's Model Repository.

        Raises:
            ProviderRefused, ProviderUnreachable: no usable answer.
        """
        return graphql.models(self._client)

    def create(self, request: CreateRequest) -> CreateOutcome:
        """POST once, on a connection of its own."""
        body = api.create_body(request, entrypoint())
        reply = self._client.call("POST", "/v2/pods", payload=body, fresh=True)
        return create_outcome(reply, self._endpoint)

    def list_pods(self) -> Listing | Unknown:
        """All pages, or Unknown: a list that may lack a pod is no list."""
        pods: dict[str, PodSight] = {}
        cursors: set[str] = set()
        query = {"limit": _PAGE_LIMIT}
        for number in range(_PAGES_MAX):
            page = self._page(query, first=number == 0)
            if isinstance(page, Unknown):
                return page
            pods |= {pod.pod_id: pod for pod in page.pods}
            if page.cursor is None:
                return Listing(tuple(pods.values()))
            if page.cursor in cursors:
                return Unknown("RunPod: the pages of the list go round in a circle")
            cursors.add(page.cursor)
            query = {"limit": _PAGE_LIMIT, "cursor": page.cursor}
        return Unknown("RunPod: the list of pods does not end")

    def _page(self, query: dict[str, str], *, first: bool) -> api.Page | Unknown:
        reply = self._client.call("GET", "/v2/pods", query=query)
        if isinstance(reply, NoReply) or reply.status != HTTPStatus.OK:
            return Unknown(why(reply))
        try:
            return api.page(reply.json(), self._endpoint, first=first)
        except api.Malformed as err:
            return Unknown(f"RunPod: the list of pods cannot be read: {err}")

    def get(self, pod_id: str) -> Sight:
        """One pod. Only RunPod's own 404 is Gone; an edge's 404 page says nothing of pods."""
        reply = self._client.call("GET", api.pod_path(pod_id))
        if isinstance(reply, NoReply):
            return Unknown(why(reply))
        if reply.status == HTTPStatus.NOT_FOUND and is_problem(reply):
            return Gone()
        if reply.status != HTTPStatus.OK:
            return Unknown(why(reply))
        try:
            sight = api.pod_sight(reply.json(), self._endpoint)
        except api.Malformed as err:
            return Unknown(f"RunPod: the pod cannot be read: {err}")
        if sight.pod_id != pod_id:
            return Unknown("RunPod: the answer is about another pod")
        return sight

    def terminate(self, pod_id: str) -> TerminateOutcome:
        """DELETE, or the action of that name where DELETE is not allowed."""
        path = api.pod_path(pod_id)
        reply = self._client.call("DELETE", path)
        if isinstance(reply, Reply) and reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
            order = {"action": "terminate"}
            reply = self._client.call("POST", f"{path}/action", payload=order)
        if isinstance(reply, NoReply):
            return TerminateFailed(why(reply))
        if reply.status in _ACCEPTED or (reply.status in _NOTHING_TO_END and is_problem(reply)):
            return Terminated(reply.status)
        return TerminateFailed(why(reply))

    def logs(self, pod_id: str, *, source: str, tail: int, follow: bool) -> Iterator[LogLine]:
        """Lines from the event stream.

        Raises:
            NotFound, ProviderRefused, ProviderUnreachable: no usable answer.
        """
        if follow:
            return logs.follow(self._client, self._clock, pod_id, source=source, count=tail)
        return logs.tail(self._client, self._clock, pod_id, source=source, count=tail)

    def account(self) -> Account:
        """Balance and spend rate, as far as GraphQL still tells them."""
        return graphql.account(self._client)

    def billing(self, *, since: float, until: float) -> Billing | Unknown:
        """The billing history of pods by day. A key may be good for pods and not for this."""
        query = {
            "bucketSize": "day",
            "startTime": _rfc3339(since),
            "endTime": _rfc3339(until),
        }
        reply = self._client.call("GET", "/v2/billing/pods", query=query)
        if isinstance(reply, NoReply) or reply.status != HTTPStatus.OK:
            return Unknown(why(reply))
        try:
            return Billing(api.billed(reply.json()))
        except api.Malformed as err:
            return Unknown(f"RunPod: the bill cannot be read: {err}")

    def reach(self) -> Reached:
        """One pod at most, and RunPod's clock from the answer's head.

        Raises:
            ProviderRefused, ProviderUnreachable: no usable answer.
        """
        reply = self._client.call("GET", "/v2/pods", query={"limit": "1"})
        if isinstance(reply, NoReply) or reply.status != HTTPStatus.OK:
            raise failure(reply)
        return Reached(_http_date(reply.headers.get("date", "")))


def entrypoint() -> tuple[str, ...]:
    """What runs first in a pod: the guard, which starts the rest."""
    room = files("podman_llm.providers.runpod")
    guard, boot = (room.joinpath(name).read_text("utf-8") for name in ("guard.py", "boot.py"))
    return ("python3", "-c", guard, boot)


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _http_date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
