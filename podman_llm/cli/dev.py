"""``dev``: the doubles, as servers on loopback, to develop against."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

_port = partial(
    click.option,
    "--port",
    type=click.IntRange(0, 65535),
    show_default=True,
    help="0 takes a free one.",
)


@click.group()
def dev() -> None:
    """Doubles of RunPod, vLLM and Bedrock to develop against; loopback only."""


@dev.command("fake-runpod")
@_port(default=8765)
@click.option(
    "--api-key",
    envvar="RUNPOD_API_KEY",
    default="rpa_double",
    show_default=True,
    help="The key accepted.",
)
@click.option("--boot-seconds", type=float, default=3.0, show_default=True)
@click.option("--load-seconds", type=float, default=2.0, show_default=True)
@click.option("--tokens-per-second", type=float, default=60.0, show_default=True)
@click.option("--real-containers", is_flag=True, help="Run each pod's entrypoint as a process.")
@click.option(
    "--announce",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the URL to this file once serving.",
)
def fake_runpod(
    *,
    port: int,
    api_key: str,
    boot_seconds: float,
    load_seconds: float,
    tokens_per_second: float,
    real_containers: bool,
    announce: Path | None,
) -> None:
    """RunPod's REST v2 and GraphQL, pods whose vLLM answers, a meter that runs."""
    from podman_llm.testing.runpod_server import run

    _require_free(port)
    run(
        port=port,
        api_key=api_key,
        boot_seconds=boot_seconds,
        load_seconds=load_seconds,
        tokens_per_second=tokens_per_second,
        real_containers=real_containers,
        announce=announce,
        tell=click.echo,
    )


@dev.command("fake-openai")
@_port(default=8766)
@click.option("--model", multiple=True, default=("fake-model",), show_default=True)
@click.option("--load-seconds", type=float, default=0.0, show_default=True)
@click.option("--tokens-per-second", type=float, default=60.0, show_default=True)
def fake_openai(
    *, port: int, model: tuple[str, ...], load_seconds: float, tokens_per_second: float
) -> None:
    """A vLLM-shaped server with made-up answers."""
    from podman_llm.testing.openai_config import OpenAIDoubleConfig
    from podman_llm.testing.openai_server import run

    config = OpenAIDoubleConfig(
        served_names=model, load_seconds=load_seconds, tokens_per_second=tokens_per_second
    )
    _require_free(port)
    run(config, click.echo, port=port)


@dev.command("fake-bedrock")
@_port(default=8767)
@click.option("--region", default="us-east-1", show_default=True)
@click.option("--model", multiple=True, help="A model id that exists there; default: any.")
@click.option(
    "--api-key",
    default="bedrock-api-key-double",
    show_default=True,
    help="The bearer token accepted.",
)
@click.option(
    "--access-key",
    default="AKIDEXAMPLE",
    show_default=True,
    help="The access key accepted.",
)
@click.option(
    "--secret-key",
    default="made-up-secret",
    show_default=True,
    help="Its secret.",
)
@click.option("--seconds-per-event", type=float, default=0.02, show_default=True)
def fake_bedrock(
    *,
    port: int,
    region: str,
    model: tuple[str, ...],
    api_key: str,
    access_key: str,
    secret_key: str,
    seconds_per_event: float,
) -> None:
    """Bedrock's runtime, checking signatures, with made-up answers."""
    from podman_llm.testing.bedrock_server import BedrockDoubleConfig, run

    config = BedrockDoubleConfig(
        region=region,
        access_key=access_key,
        secret_key=secret_key,
        api_key=api_key,
        models=model,
        seconds_per_event=seconds_per_event,
    )
    _require_free(port)
    run(config, click.echo, port=port)


def _require_free(port: int) -> None:
    from podman_llm.host.sockets import require_free

    require_free("127.0.0.1", port)
