"""``serve``: only the caching proxy, in the foreground, before a server made by hand."""

from __future__ import annotations

from typing import Any

import click

from podman_llm.cli.context import Context, pass_context
from podman_llm.errors import ConfigError


@click.command()
@click.option("--endpoint", help="Base URL of the server, with or without /v1.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port on localhost.")
@pass_context
def serve(context: Context, /, *, endpoint: str | None, port: int | None) -> None:
    """Serve the caching proxy before any OpenAI-compatible server.

    Needs no RunPod key. A key for the server comes from RUNPOD_ENDPOINT_API_KEY; without one the
    client's own Authorization header is passed on.
    """
    given: dict[str, Any] = {"endpoint": endpoint, "proxy_port": port}
    flags = {key: value for key, value in given.items() if value is not None}
    settings = context.load_settings(flags).settings
    if settings.endpoint is None:
        raise ConfigError(
            "no endpoint is set",
            hint="Give --endpoint URL, set RUNPOD_ENDPOINT, or `endpoint` in pod_config.json.",
        )
    from podman_llm.bootstrap.worker import serve_endpoint

    words = f"Serving {settings.endpoint} at {settings.url} (Ctrl-C ends it)."
    serve_endpoint(settings, opened=lambda: context.err(words))
