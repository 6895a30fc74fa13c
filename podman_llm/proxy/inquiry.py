"""A request on its way to upstreams, free of the connection it came on."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from aiohttp import hdrs

from podman_llm.core.cachekey import CacheKey
from podman_llm.core.charges import MICROS
from podman_llm.core.pricing import lower
from podman_llm.core.routing import Policy
from podman_llm.proxy.envelope import Refusal
from podman_llm.proxy.questions import Ask
from podman_llm.proxy.targets import Target
from podman_llm.upstreams.base import Call, Headers, end_to_end

POLICY_HEADER: Final = "X-Podman-LLM-Policy"
"""Where a request says what it does while the pod cannot answer."""
CEILING_HEADER: Final = "X-Podman-LLM-Max-USD"
"""Where it says what fallbacks may cost for it."""
_USD: Final = re.compile(r"\d{1,9}(\.\d{1,12})?", re.ASCII)

# Ours to set or to read, of this connection, or of the browser: never for the upstream.
_NOT_FORWARDED: Final = frozenset(
    {
        "accept-encoding",
        "content-encoding",  # it has been decoded
        "content-length",
        "cookie",
        "expect",
        "host",
        "origin",
        "referer",
        # The edge before RunPod's pods turns away some programs by their name (urllib's, for one).
        "user-agent",
        CEILING_HEADER.lower(),
        POLICY_HEADER.lower(),
        "x-request-id",
    }
)
_CREDENTIALS: Final = frozenset({"authorization", "x-api-key"})
# All that a service which is not ours needs to know of a client.
_FOR_OTHERS: Final = ("accept", "content-type")
# Looking whether it is there is no use of the pod, and must not keep it from being idle.
_PROBING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
# The others say that they can do without the pod, or want it only if it is there.
_WAKING: Final = frozenset({Policy.AUTO, Policy.HOLD})


def asked_policy(headers: Mapping[str, str], default: Policy) -> Policy:
    """The policy of a request. Raises Refusal for one that there is not."""
    given = headers.get(POLICY_HEADER)
    if given is None:
        return default
    try:
        return Policy(given.strip().lower())
    except ValueError:
        known = ", ".join(Policy)
        message = f"{POLICY_HEADER} is {given!r}; it may be {known}."
        raise Refusal(400, message, code="bad_policy", param=POLICY_HEADER) from None


def asked_ceiling(headers: Mapping[str, str], allowed: int | None) -> int | None:
    """What fallbacks may cost for a request, in micro-dollars: at most what is ``allowed``.

    Raises Refusal for what is no amount.
    """
    given = headers.get(CEILING_HEADER)
    if given is None:
        return allowed
    if not _USD.fullmatch(given.strip()):
        message = f"{CEILING_HEADER} is {given!r}; it is an amount in USD such as 0.05."
        raise Refusal(400, message, code="bad_ceiling", param=CEILING_HEADER)
    return lower(allowed, int(Decimal(given.strip()) * MICROS))


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked, by whom, and with what in mind.

    ``key`` is where its answer is kept, None for nowhere; ``cache`` is its ``X-Cache`` word.
    ``target`` is the pod as it was last seen. ``ceiling`` is what fallbacks may cost for it, all
    attempts together, in micro-dollars; None is any. ``ends`` is when its time is up, on the loop's
    clock.
    """

    method: str
    headers: Mapping[str, str]
    ask: Ask
    key: CacheKey | None
    cache: str
    request_id: str
    target: Target
    policy: Policy = Policy.AUTO
    ceiling: int | None = None
    ends: float = math.inf

    @property
    def is_probe(self) -> bool:
        """Whether it only looks."""
        return self.method in _PROBING

    @property
    def wakes(self) -> bool:
        """Whether a pod that sleeps should come for it: it could be asked, and may be waited for.

        A name that the pod does not serve would only find out that it is unknown there.
        """
        target, needs = self.target, self.ask.question.needs
        return (
            bool(target.wakes)
            and self.method == hdrs.METH_POST
            and needs.endpoint is not None
            and self.policy in _WAKING
            and not self.ask.directives.only_if_cached
            and (not needs.model or needs.model in target.served_names)
        )

    def to_pod(self, *, keeps_credentials: bool) -> Call:
        """The request as it came, with the pod's key.

        Where the pod has none, ``keeps_credentials`` passes the client's own on.
        """
        key = self.target.api_key
        dropped = _NOT_FORWARDED
        if key is not None or not keeps_credentials:
            dropped |= _CREDENTIALS
        passed = end_to_end(self.headers.items(), but=dropped)
        return self._call(self.target.url or "", passed, key, self.ask.body)

    def to_service(self, url: str, key: str | None, body: bytes) -> Call:
        """The request for somebody who must not learn more of the client than what is asked."""
        passed = tuple((name, self.headers[name]) for name in _FOR_OTHERS if name in self.headers)
        return self._call(url, passed, key, body)

    def _call(self, url: str, passed: Headers, key: str | None, body: bytes) -> Call:
        added: Headers = ((hdrs.USER_AGENT, "podman-llm"), ("X-Request-Id", self.request_id))
        if key is not None:
            added += ((hdrs.AUTHORIZATION, f"Bearer {key}"),)
        query = f"?{self.ask.query}" if self.ask.query else ""
        return Call(self.method, f"{url}{self.ask.route.path}{query}", passed + added, body)
