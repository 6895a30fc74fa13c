"""Who makes pods, as the settings name him."""

from __future__ import annotations

from typing import Final

from podman_llm.config.inheritance import inherited
from podman_llm.config.models import Settings
from podman_llm.config.secrets import Secret, require_runpod_key
from podman_llm.host.clock import SystemClock
from podman_llm.pods.planning import LivePlanner, Plan
from podman_llm.providers.base import Provider
from podman_llm.providers.local import LocalProvider
from podman_llm.state.double import DEMO_KEY, load_double
from podman_llm.state.paths import StatePaths

_CLOCK: Final = SystemClock()


def make_provider(settings: Settings, paths: StatePaths, key: Secret | None = None) -> Provider:
    """The provider that the settings name; ``key`` is looked up when it is not given.

    Raises:
        ProviderRefused: it needs a key and there is none.
    """
    if settings.provider.kind == "local":
        command, folder = settings.provider.local_command, paths.root / "local"
        return LocalProvider(command, folder, _CLOCK, environ=inherited(settings))
    from podman_llm.providers.runpod.provider import RunpodProvider

    double = load_double(paths)
    if double is not None and settings.provider.api_base == double.url:
        # A real key goes to RunPod, never to the demo's double.
        return RunpodProvider(settings.provider, DEMO_KEY, _CLOCK)
    found = key or require_runpod_key()
    return RunpodProvider(settings.provider, found.reveal(), _CLOCK)


def plan_only(settings: Settings, paths: StatePaths) -> Plan:
    """What ``up`` would rent. Reads the provider's catalog, writes nothing.

    Raises:
        PodmanLLMError: nothing can be rented, and why.
    """
    return LivePlanner(make_provider(settings, paths), _CLOCK)(settings)
