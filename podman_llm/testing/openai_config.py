"""How the vLLM double is set up: those flags of ``vllm serve`` that show on the wire."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class OpenAIDoubleConfig:
    """The server to imitate. The defaults are a fast chat model with tools and no key."""

    served_names: tuple[str, ...] = ("tiny/llama-random",)
    """Names that ``model`` may have in a request; answers carry the first one."""
    max_model_len: int = 32_768
    """Context window in tokens, prompt and answer together."""
    load_seconds: float = 0.0
    """How long the port refuses connections, as vLLM does until its weights are loaded."""
    tokens_per_second: float = 0.0
    """Speed of each answer; 0 is as fast as the machine goes."""
    api_key_sha256: str = ""
    """Hex SHA-256 of the key that /v1/* asks for; empty means that it asks for none."""
    tool_parser: bool = True
    """``--enable-auto-tool-choice --tool-call-parser``; without it every tool choice is refused."""
    seed: int = 0
    """Another seed gives other answers to the same requests."""
    endless: bool = False
    """Answers never end by themselves, as those of the recorded model of random weights."""
    keepalive_seconds: float = 5.0
    """How long an idle connection stays open; uvicorn's default, short enough to hurt a pool."""
    max_num_seqs: int = 256
    """Requests answered at once; further ones get their headers and wait."""
    embedding_dimensions: int = 0
    """Size of the vectors of an embedding model; 0 is a chat model, where the route is unknown."""
    request_id_headers: bool = False
    """``--enable-request-id-headers``."""
    prompt_tokens_details: bool = False
    """``--enable-prompt-tokens-details``."""
    vocabulary_size: int = 151_936
    """How many token ids exist; ``logit_bias`` beyond it is refused."""
    model_root: str = ""
    """Where the weights are, as /v1/models tells; empty is the first served name."""
    version: str = "0.32.0"
    """The vLLM version told."""

    def __post_init__(self) -> None:
        """Refuse what vLLM could not be started with."""
        if not self.served_names:
            raise ValueError("served_names is empty; vLLM always serves under at least one name")

    @property
    def model(self) -> str:
        """The name that answers carry."""
        return self.served_names[0]

    @property
    def fingerprint(self) -> str:
        """The ``system_fingerprint``; it changes with the server's flags, as vLLM's does."""
        return f"vllm-{self.version}-{hashlib.sha256(repr(self).encode()).hexdigest()[:8]}"
