"""Who we are to AWS: signatures of version 4, or a bearer token.

Signing needs keys, and some keys are fetched over the network and expire. Fetching blocks, so it
happens in a thread, ahead of expiry, and once for all who wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from podman_llm.errors import ConfigError, UpstreamUnreachable
from podman_llm.upstreams.base import Call

try:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session
except ImportError as err:
    raise ConfigError(
        "Bedrock needs botocore, which is not installed", hint="pip install 'podman-llm[aws]'"
    ) from err

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials

Find = Callable[[], "Credentials | None"]
"""Looks keys up, and may take its time; None: there are none."""

# Keys of this age are renewed while the old ones are still good for every call under way.
_AHEAD_SECONDS: Final = 15 * 60
_LAST_SECONDS: Final = 2 * 60
# Hashing takes a millisecond for each megabyte or so; the loop has better to do.
_LARGE_BYTES: Final = 512 * 1024


class Signer(Protocol):
    """Makes a call one that AWS accepts."""

    async def sign(self, call: Call) -> Call:
        """The call with its credentials; raises UpstreamUnreachable where there are none."""

    def doubt(self) -> None:
        """AWS refused the credentials: look for others before the next call."""


class BearerSigner:
    """A Bedrock API key (``AWS_BEARER_TOKEN_BEDROCK``), long-term or short-term."""

    def __init__(self, token: str) -> None:
        self._header = ("Authorization", f"Bearer {token}")

    async def sign(self, call: Call) -> Call:
        """The call with the key in its header."""
        return Call(call.method, call.url, (*call.headers, self._header), call.body)

    def doubt(self) -> None:
        """There is no other."""


class SigV4Signer:
    """Signs with the keys of ``vault`` for one region and service."""

    def __init__(self, vault: Vault, *, region: str, service: str = "bedrock") -> None:
        self._vault = vault
        self._region = region
        self._service = service

    async def sign(self, call: Call) -> Call:
        """The call with its signature; its headers, as they are then, belong to it."""
        keys = await self._vault.keys()
        if len(call.body) < _LARGE_BYTES:
            return self._signed(call, keys)
        return await asyncio.to_thread(self._signed, call, keys)

    def _signed(self, call: Call, keys: ReadOnlyCredentials) -> Call:
        request = AWSRequest(call.method, call.url, dict(call.headers), call.body)
        SigV4Auth(keys, self._service, self._region).add_auth(request)
        return Call(call.method, call.url, tuple(request.headers.items()), call.body)

    def doubt(self) -> None:
        """Look the keys up anew, as somebody may just have logged in again."""
        self._vault.empty()


def aws_chain(profile: str | None = None) -> Find:
    """AWS's own way to keys: environment, files, SSO, container, instance, in that order."""

    def find() -> Credentials | None:
        return Session(profile=profile).get_credentials()

    return find


# botocore alone does not know the name that containers and AWS's other programs use.
_REGION: Final = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}


def aws_region(profile: str | None = None) -> str:
    """The region of the environment or of AWS's configuration file; reads files, blocks briefly.

    Raises:
        ConfigError: neither names one, or there is no such profile.
    """
    try:
        region = Session(_REGION, profile=profile).get_config_variable("region")
    except BotoCoreError as err:
        raise ConfigError(f"AWS's configuration: {err}") from err
    if not region:
        raise ConfigError(
            "no AWS region is set for Bedrock",
            hint="set `region` of the backend, AWS_REGION, or `aws configure set region us-east-1`",
        )
    return str(region)


class Vault:
    """Keys at hand, for one event loop.

    Keys that expire are renewed in the background some minutes before; only if that fails until
    the end does a call wait for it, or fail.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        self._source: Credentials | None = None
        self._keys: ReadOnlyCredentials | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def keys(self) -> ReadOnlyCredentials:
        """Keys to sign with; raises UpstreamUnreachable."""
        if self._keys is None or self._expires_within(_AHEAD_SECONDS):
            fetching = self._fetch()
            if self._keys is None or self._expires_within(_LAST_SECONDS):
                # Others wait for it too: who leaves must not take it along.
                await asyncio.shield(fetching)
        if self._keys is None:
            told = "no AWS credentials were found"
            raise UpstreamUnreachable(told, hint=_HINT, was_asked=False)
        return self._keys

    def empty(self) -> None:
        """Forget the keys; they are looked up again when they are asked for."""
        self._source = self._keys = None

    def _expires_within(self, seconds: float) -> bool:
        # Keys that do not expire have no such question.
        expires_within = getattr(self._source, "refresh_needed", None)
        return expires_within is not None and expires_within(seconds)

    def _fetch(self) -> asyncio.Task[None]:
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._renew())
            self._fetching.add_done_callback(_take_note)
        return self._fetching

    async def _renew(self) -> None:
        self._source, self._keys = await asyncio.to_thread(_look_up, self._find, self._source)


_HINT: Final = "`aws configure`, `aws sso login`, or a Bedrock API key in AWS_BEARER_TOKEN_BEDROCK"


def _look_up(
    find: Find, source: Credentials | None
) -> tuple[Credentials | None, ReadOnlyCredentials | None]:
    """The source of keys and its keys of now; renews what is about to expire."""
    try:
        source = source or find()
        return source, source.get_frozen_credentials() if source else None
    except Exception as err:
        # Any of a dozen providers failed. Only its kind is told: what one prints may be a secret.
        kind = type(err).__name__
        told = f"AWS credentials were not got ({kind})"
        raise UpstreamUnreachable(told, hint=_HINT, was_asked=False) from err


def _take_note(fetching: asyncio.Task[None]) -> None:
    """Nobody may be waiting for it, and then a failure shows when the keys are at their end."""
    if not fetching.cancelled():
        fetching.exception()
