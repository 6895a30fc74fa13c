"""An OpenAI-compatible server that wants a signature and no key: Bedrock's ``/openai/v1``."""

from __future__ import annotations

from typing import Final

from podman_llm.upstreams.base import Answer, Call, Upstream
from podman_llm.upstreams.sigv4 import Signer

_REFUSED: Final = frozenset({401, 403})


class SignedUpstream:
    """Signs what goes to ``upstream``, which is its own to close; one event loop only."""

    def __init__(self, upstream: Upstream, signer: Signer) -> None:
        self._upstream = upstream
        self._signer = signer

    async def send(self, call: Call) -> Answer:
        """Ask; raises UpstreamUnreachable, also where there are no keys to sign with."""
        answer = await self._upstream.send(await self._signer.sign(call))
        if answer.status in _REFUSED:
            self._signer.doubt()
        return answer

    async def close(self) -> None:
        """Let go of connections."""
        await self._upstream.close()
