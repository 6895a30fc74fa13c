"""What no single key can tell: settings that only make sense together, or with files that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from podman_llm.config.model_store import bundled, find_model, is_hub_id
from podman_llm.config.models import BackendSettings, Settings
from podman_llm.core.routing import POD

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_HERE = _LOOPBACK | {"0.0.0.0", "::"}  # noqa: S104 - a name to recognise, not to listen on
_CIRCLE = "each request would ask it again, without an end"
_KEYS_FILE_NEEDED = (
    "proxy.api_keys_file must name a file with the keys that clients may use, one per line"
)
_OPENAI_ON_AWS = "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"
_EXAMPLE_COMMAND = 'a list such as ["vllm", "serve", "{model}", "--port", "{port}"]'


def problems(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each problem as the key, or the part of its value, to look at and what is wrong with it."""
    yield from _tls(settings)
    yield from _reach(settings)
    yield from _provider(settings)
    yield from _placement(settings)
    if settings.budget.warn_webhook is not None and not _is_web_url(settings.budget.warn_webhook):
        yield "budget.warn_webhook", "must be a URL such as https://ntfy.sh/my-topic"
    yield from _patterns(settings)
    yield from _fallbacks(settings)


def names_no_model(settings: Settings) -> bool:
    """Whether ``modelStoreId`` can be neither a catalog entry nor a Hugging Face id.

    A local command serves whatever it likes under any name.
    """
    model_id = settings.modelStoreId
    known = find_model(model_id, bundled().models) is not None or is_hub_id(model_id)
    return settings.provider.kind == "runpod" and not known


def _tls(settings: Settings) -> Iterator[tuple[str, str]]:
    if not settings.use_https:
        return
    for key, path in (("ssl_cert", settings.ssl_cert), ("ssl_key", settings.ssl_key)):
        if path is None:
            yield key, "use_https needs it: a PEM file"
        elif not path.is_file():
            yield key, f"{path} does not exist"


def _reach(settings: Settings) -> Iterator[tuple[str, str]]:
    keys_file = settings.proxy.api_keys_file
    if settings.proxy.host not in _LOOPBACK and keys_file is None:
        yield "proxy.host", f"others can reach {settings.proxy.host}: {_KEYS_FILE_NEEDED}"
    if keys_file is not None:
        yield from _keys_file(keys_file)
    if settings.endpoint is not None and not _is_web_url(settings.endpoint):
        yield "endpoint", "must be a URL such as http://localhost:8001"
    elif settings.endpoint is not None and _is_ours(settings.endpoint, settings):
        yield "endpoint", f"{settings.endpoint} is where the proxy itself listens: {_CIRCLE}"


def _keys_file(path: Path) -> Iterator[tuple[str, str]]:
    if not path.is_file():
        yield "proxy.api_keys_file", f"{path} does not exist"
    elif path.stat().st_mode & 0o077:
        yield "proxy.api_keys_file", f"others can read {path}; run `chmod 600 {path}`"


def _is_web_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for one that is none
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_ours(url: str, settings: Settings) -> bool:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return port == settings.proxy_port and parts.hostname in {*_HERE, settings.proxy.host}


def _provider(settings: Settings) -> Iterator[tuple[str, str]]:
    provider = settings.provider
    if provider.kind == "local" and not provider.local_command:
        yield "provider.local_command", f'provider.kind = "local" needs it: {_EXAMPLE_COMMAND}'
    if not _is_web_url(provider.api_base):
        yield "provider.api_base", "must be a URL such as https://api.runpod.io"
    if missing := {"{pod_id}", "{port}"} - set(re.findall(r"\{\w+\}", provider.endpoint_template)):
        yield "provider.endpoint_template", f"must contain {' and '.join(sorted(missing))}"


def _placement(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.gpu_type_id in {"", ()}:
        yield "gpu_type_id", "names no GPU; `auto` takes the cheapest that fits"
    if not settings.pod.clouds:
        yield "pod.clouds", 'names no cloud; may hold "SECURE" and "COMMUNITY"'
    if settings.pod.gpu_count != "auto" and settings.pod.gpu_count < 1:
        yield "pod.gpu_count", "must be at least 1, or `auto`"
    if settings.pod.network_volume_id and "SECURE" not in settings.pod.clouds:
        yield "pod.clouds", "pod.network_volume_id needs SECURE: volumes exist only there"


def _patterns(settings: Settings) -> Iterator[tuple[str, str]]:
    for pattern in settings.cache.volatile_patterns:
        try:
            re.compile(pattern)
        except re.error as err:
            yield "cache.volatile_patterns", f"`{pattern}` is no regular expression: {err}"


def _fallbacks(settings: Settings) -> Iterator[tuple[str, str]]:
    taken = {POD}
    for number, backend in enumerate(settings.fallback.backends):
        path = f"fallback.backends[{number}]"
        if backend.name in taken:
            yield f"{path}.name", f"{backend.name!r} is taken; each needs a name of its own"
        taken.add(backend.name)
        if not backend.models:
            yield f"{path}.models", 'is empty; {"*": "a-model"} takes every name'
        if backend.base_url is not None and not _is_web_url(backend.base_url):
            yield f"{path}.base_url", "must be a URL such as https://api.openai.com/v1"
        elif backend.base_url is not None and _is_ours(backend.base_url, settings):
            yield f"{path}.base_url", f"is where the proxy itself listens: {_CIRCLE}"
        if backend.auth == "sigv4":
            yield from _signed(backend, path)


def _signed(backend: BackendSettings, path: str) -> Iterator[tuple[str, str]]:
    if backend.kind == "bedrock":
        yield f"{path}.auth", "is for kind openai; kind bedrock signs by itself"
        return
    if backend.base_url is None:
        yield f"{path}.base_url", f"must be set for auth sigv4, to {_OPENAI_ON_AWS}"
    if backend.key_name is not None:
        yield f"{path}.key_name", "stands beside auth sigv4; one of them is enough"
