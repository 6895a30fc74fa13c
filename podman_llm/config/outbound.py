"""The way out of a network that has but one: the proxies that the environment names.

The variables are those of every other program: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and
``NO_PROXY``. This host itself is never reached by a proxy, which could not reach it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

_REMEMBERED: Final = 64
_SPOKEN: Final = frozenset({"http", "https"})


class Outbound:
    """Which proxy leads to a URL; ``named`` are proxies by the scheme they are for.

    ``all`` is for any scheme, and ``no`` lists hosts that need none.
    """

    def __init__(self, named: Mapping[str, str]) -> None:
        self._named = dict(named)
        self._to = lru_cache(maxsize=_REMEMBERED)(self._find)  # a few hosts make up all the traffic

    def to(self, url: str) -> str | None:
        """The URL of the proxy, None where there is none or it is not HTTP that it speaks."""
        if not self._named:
            return None
        parts = urlsplit(url)
        return self._to(parts.scheme, parts.hostname or "", parts.netloc.rpartition("@")[2])

    def _find(self, scheme: str, host: str, place: str) -> str | None:
        proxy = self._named.get(scheme) or self._named.get("all")
        if not proxy or _is_here(host) or self._needs_none(host, place):
            return None
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        return proxy if proxy.partition("://")[0].lower() in _SPOKEN else None

    def _needs_none(self, host: str, place: str) -> bool:
        """Whether ``no`` lists the host, its domain, or either with the port."""
        listed = [name.strip().lower().lstrip(".") for name in self._named.get("no", "").split(",")]
        ends = [f".{each.lower()}" for each in (host, place)]
        return "*" in listed or any(
            end.endswith(f".{name}") for name in listed if name for end in ends
        )


DIRECT: Final = Outbound({})
"""By no proxy."""


def outbound_of_environment() -> Outbound:
    """As the environment says; on macOS the system's settings too."""
    return Outbound(getproxies())


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
