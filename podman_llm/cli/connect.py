"""How to use the endpoint: what is printed once it answers."""

from __future__ import annotations

import json

from podman_llm.config.models import Settings
from podman_llm.core.pod import PodRecord


def lines(settings: Settings, record: PodRecord) -> list[str]:
    """Base URL, a curl line that works as it stands, Kilo Code and OpenAI SDK settings."""
    url, model = settings.url, record.spec.served_names[0]
    insecure = " -k" if settings.use_https else ""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Say hello."}]})
    context = record.spec.context
    return [
        f"  Base URL    {url}",
        f"  Model       {model}",
        "",
        "  Try it",
        f"    curl{insecure} {url}/chat/completions -H 'Content-Type: application/json' \\",
        f"      -d '{body}'",
        "",
        "  Kilo Code   Settings > Providers > Custom provider",
        "              Provider API: OpenAI Compatible",
        f"              Base URL: {url}   API key: any text   Model: {model}",
        *([f"              Context window: {context} tokens"] if context else []),
        "",
        "  OpenAI SDK  from openai import OpenAI",
        f'              client = OpenAI(base_url="{url}", api_key="local")',
        f'              client.chat.completions.create(model="{model}", messages=[...])',
        "",
        f"  A fresh answer instead of a cached one: {url.removesuffix('/v1')}/nocache/v1",
    ]
