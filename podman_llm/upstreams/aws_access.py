"""Services of AWS's as the settings name them: where they are, and who we are there."""

from __future__ import annotations

from podman_llm.config.models import BackendSettings, ProxySettings
from podman_llm.config.outbound import outbound_of_environment
from podman_llm.core.converse_models import known_model
from podman_llm.host.clock import Clock
from podman_llm.upstreams.base import Upstream
from podman_llm.upstreams.bedrock import BedrockUpstream
from podman_llm.upstreams.bedrock_runtime import BedrockRuntime
from podman_llm.upstreams.openai import OpenAIUpstream
from podman_llm.upstreams.signed import SignedUpstream
from podman_llm.upstreams.sigv4 import (
    BearerSigner,
    Signer,
    SigV4Signer,
    Vault,
    aws_chain,
    aws_region,
)


def open_aws(
    backend: BackendSettings, key: str | None, clock: Clock, limits: ProxySettings
) -> Upstream:
    """Bedrock's own API, or its OpenAI-compatible one where the settings ask for signatures.

    By a Bedrock API key or, without one, by AWS's own chain of keys, which are looked up with the
    first call. Raises ConfigError where no region is set.
    """
    region = backend.region or aws_region()
    outbound = outbound_of_environment()
    signer: Signer = BearerSigner(key) if key else SigV4Signer(Vault(aws_chain()), region=region)
    if backend.kind == "openai":
        plain = OpenAIUpstream(
            connect_timeout=limits.connect_timeout_seconds,
            idle_timeout=limits.idle_timeout_seconds,
            outbound=outbound,
        )
        return SignedUpstream(plain, signer)
    runtime = BedrockRuntime(
        signer,
        region=region,
        connect_timeout=limits.connect_timeout_seconds,
        idle_timeout=limits.idle_timeout_seconds,
        endpoint_url=backend.base_url or "",
        outbound=outbound,
    )
    return BedrockUpstream(known_model, runtime, clock)
