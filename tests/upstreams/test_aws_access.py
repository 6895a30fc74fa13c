from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from podman_llm.config.models import BackendSettings, ProxySettings
from podman_llm.errors import ConfigError
from podman_llm.host.clock import SystemClock
from podman_llm.testing.bedrock_server import BedrockDouble
from podman_llm.upstreams.aws_access import open_aws
from podman_llm.upstreams.base import Call

CALL = Call(
    "POST",
    "/v1/chat/completions",
    (("Content-Type", "application/json"),),
    json.dumps(
        {"model": "amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": "hi"}]}
    ).encode(),
)


@pytest.fixture
async def double() -> AsyncIterator[BedrockDouble]:
    double = BedrockDouble()
    await double.start()
    yield double
    await double.stop()


def backend(**more: str) -> BackendSettings:
    return BackendSettings.model_validate(
        {"name": "aws", "kind": "bedrock", "models": {"*": "m"}, **more}
    )


@pytest.mark.parametrize("is_signed", [True, False])
async def test_bedrock_lets_us_in_by_key_or_by_signature(
    double: BedrockDouble, monkeypatch: pytest.MonkeyPatch, is_signed: bool
) -> None:
    config = double.config
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", config.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", config.secret_key)
    key = None if is_signed else config.api_key
    settings = backend(region=config.region, base_url=double.url)
    upstream = open_aws(settings, key, SystemClock(), ProxySettings())
    answer = await upstream.send(CALL)
    assert answer.status == 200
    assert json.loads(await answer.read())["choices"][0]["finish_reason"]
    answer.close()
    await upstream.close()
    assert double.requests[0].model == "amazon.nova-lite-v1:0"


async def test_the_openai_surface_is_signed_for_whom_the_settings_say(
    double: BedrockDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", double.config.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", double.config.secret_key)
    url = f"{double.url}/openai/v1"
    settings = backend(kind="openai", auth="sigv4", region="us-east-1", base_url=url)
    upstream = open_aws(settings, None, SystemClock(), ProxySettings())
    asked = {"model": "openai.gpt-oss-120b-1:0", "messages": [{"role": "user", "content": "hi"}]}
    headers = (("Content-Type", "application/json"), ("X-Request-Id", "r"))
    body = json.dumps(asked).encode()
    answer = await upstream.send(Call("POST", f"{url}/chat/completions", headers, body))
    assert answer.status == 200
    assert json.loads(await answer.read())["model"] == "openai.gpt-oss-120b-1:0"
    answer.close()
    await upstream.close()
    assert double.requests[0].headers["Authorization"].startswith("AWS4-HMAC-SHA256")


def test_without_a_region_there_is_no_bedrock(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/absent")
    with pytest.raises(ConfigError, match="region"):
        open_aws(backend(), None, SystemClock(), ProxySettings())
