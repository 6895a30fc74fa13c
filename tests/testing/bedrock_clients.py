"""Amazon's own client, pointed at the double."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config

from podman_llm.testing.bedrock_server import BedrockDouble, BedrockDoubleConfig
from podman_llm.testing.server_thread import ServerThread

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"


def boto(url: str, config: BedrockDoubleConfig, **keys: str) -> Any:
    """A client of boto3 that signs with the double's keys, or with those given."""
    session = boto3.Session(
        aws_access_key_id=keys.get("access_key", config.access_key),
        aws_secret_access_key=keys.get("secret_key", config.secret_key),
        aws_session_token=keys.get("token", config.session_token) or None,
        region_name=keys.get("region", config.region),
    )
    return session.client(
        "bedrock-runtime",
        endpoint_url=url,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
    )


@contextmanager
def served(
    config: BedrockDoubleConfig | None = None,
) -> Iterator[tuple[BedrockDouble, Any]]:
    """The double in a thread, and boto3 as its client."""
    with ServerThread(BedrockDouble(config)) as thread:
        client = boto(thread.url, thread.server.config)
        try:
            yield thread.server, client
        finally:
            client.close()


def ask(client: Any, text: str = "hello", **fields: Any) -> Any:
    """Converse, once."""
    turn = {"role": "user", "content": [{"text": text}]}
    return client.converse(modelId=HAIKU, messages=[turn], **fields)


def stream(client: Any, text: str = "hello", **fields: Any) -> list[dict[str, Any]]:
    """ConverseStream, to its end."""
    turn = {"role": "user", "content": [{"text": text}]}
    answer = client.converse_stream(modelId=HAIKU, messages=[turn], **fields)
    with contextlib.closing(answer["stream"]) as events:
        return list(events)
