from __future__ import annotations

import pytest

from podman_llm import errors
from podman_llm.errors import PodmanLLMError


def leaves(kind: type[PodmanLLMError] = PodmanLLMError) -> list[type[PodmanLLMError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in leaves(child))]


@pytest.mark.parametrize("kind", leaves())
def test_every_error_is_drawn_in_the_tree_and_carries_its_next_step(
    kind: type[PodmanLLMError],
) -> None:
    if kind.__module__ == errors.__name__:
        assert kind.__name__ in (errors.__doc__ or "")
    assert PodmanLLMError("what happened", hint="what to do").hint == "what to do"


def test_only_success_is_zero_and_billing_has_a_code_of_its_own() -> None:
    assert all(kind.exit_code != 0 for kind in leaves())
    assert [kind for kind in leaves() if kind.exit_code == 7] == [errors.StillBilling]


def test_a_provider_out_of_reach_comes_with_a_next_step() -> None:
    assert "network" in errors.ProviderUnreachable("no answer").hint
