"""The contract itself: that every adapter has every method, as its types say."""

from __future__ import annotations

import inspect

import pytest

from podman_llm.providers.base import Prober, Provider
from podman_llm.providers.local import LocalProvider
from podman_llm.providers.probe import HttpProber
from podman_llm.providers.runpod.provider import RunpodProvider


@pytest.mark.parametrize("adapter", [RunpodProvider, LocalProvider])
@pytest.mark.parametrize("name", [name for name in vars(Provider) if not name.startswith("_")])
def test_an_adapter_takes_what_the_contract_gives(adapter: type, name: str) -> None:
    promised = inspect.getattr_static(Provider, name)
    kept = inspect.getattr_static(adapter, name)
    if isinstance(promised, property):
        assert isinstance(kept, property)
    else:
        assert inspect.signature(kept) == inspect.signature(promised)


def test_the_prober_takes_what_the_contract_gives() -> None:
    assert inspect.signature(HttpProber.probe) == inspect.signature(Prober.probe)
