"""Who answers in the pod's place: Bedrock and OpenAI, made up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podman_llm.testing.bedrock_server import BedrockDouble
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.server_thread import ServerThread

OTHERS_KEY = "sk-others-0123456789"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ON_BEDROCK = f"bedrock/{CLAUDE}"
ON_OPENAI = "openai/gpt-double"


@dataclass
class Others:
    """In this order."""

    bedrock: ServerThread[BedrockDouble]
    openai: ServerThread[OpenAIDouble]

    def backends(self) -> list[dict[str, Any]]:
        """What ``fallback.backends`` says of them."""
        bedrock = {
            "name": "bedrock",
            "kind": "bedrock",
            "region": "us-east-1",
            "base_url": self.bedrock.url,
            "models": {"*": CLAUDE},
        }
        openai = {
            "name": "openai",
            "base_url": self.openai.url,
            "key_name": "OTHERS_API_KEY",
            "models": {"*": "gpt-double"},
        }
        return [bedrock, openai]

    def environment(self) -> dict[str, str]:
        """The keys to them."""
        config = self.bedrock.server.config
        return {
            "AWS_ACCESS_KEY_ID": config.access_key,
            "AWS_SECRET_ACCESS_KEY": config.secret_key,
            "OTHERS_API_KEY": OTHERS_KEY,
        }
