"""The official clients of two dialects before a proxy whose pod is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import openai

from podman_llm.config.models import BackendSettings
from podman_llm.proxy.backends import backend_of
from podman_llm.testing.bedrock_server import BedrockDouble
from tests.proxy.failover_rig import BOOTING, House, house
from tests.upstreams import bedrock_rig

SERVICES = ("openai", "bedrock")
AWAY = BOOTING | {"is_coming": False}


@asynccontextmanager
async def bedrock_house(**more: Any) -> AsyncIterator[tuple[House, BedrockDouble]]:
    """The proxy with Claude on Bedrock as the one fallback."""
    async with bedrock_rig.rig() as (upstream, double):
        told = {"name": "bedrock", "kind": "bedrock", "models": {"*": "haiku"}}
        settings = BackendSettings.model_validate(told)
        # Whether a request is read for its needs is decided by the settings.
        asked = {"settings": {"fallback": {"backends": [told]}}} | more
        async with house(others=[backend_of(settings, upstream)], **asked) as home:
            yield home, double


@asynccontextmanager
async def fallback(service: str, **more: Any) -> AsyncIterator[House]:
    """The proxy without a pod, and one of ``SERVICES`` in its place."""
    if service == "bedrock":
        async with bedrock_house(**more) as (home, _):
            home.set_target(**AWAY)
            yield home
    else:
        async with house(service, **more) as home:
            home.set_target(**AWAY)
            yield home


@asynccontextmanager
async def openai_client(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-x", max_retries=0) as client:
        yield client


@asynccontextmanager
async def anthropic_client(url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-x", max_retries=0) as client:
        yield client
