from __future__ import annotations

import pytest

from podman_llm.core import naming
from podman_llm.errors import ConfigError, NotFound, PodmanLLMError, RefusedByCap
from podman_llm.host.clock import SystemClock
from podman_llm.state.desired import load_desired
from podman_llm.state.store import PodState, StateStore
from tests.cli.account import Account
from tests.e2e.machine import free_port
from tests.samples import a_record


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon's part is its own tests'; here the wish is what matters."""
    monkeypatch.setattr("podman_llm.cli.adopt.follow_up", lambda *_, **__: None)
    monkeypatch.setenv("PODMAN_LLM_PROXY_PORT", str(free_port()))


def refusal(account: Account, pod_id: str) -> PodmanLLMError:
    error = account.fails("adopt", pod_id)
    assert load_desired(account.paths) is None
    return error


def test_a_pod_of_ours_is_wanted_with_the_model_it_serves(account: Account, followed: None) -> None:
    pod_id, _ = account.rent(account.owner.id, PLLM_MODEL="gpt-oss-20b")
    result = account.run("adopt", pod_id, "--for", "2h")
    assert result.exit_code == 0, result.exception
    desired = load_desired(account.paths)
    assert desired
    assert (desired.want, desired.adopt, desired.generation) == ("up", pod_id, 1)
    assert desired.settings["modelStoreId"] == "gpt-oss-20b"
    assert desired.settings["runtime_seconds"] == 7200


def test_a_pod_of_another_owner_is_never_taken(account: Account) -> None:
    pod_id, _ = account.rent("zzzzzz")
    assert account.owner.id
    assert "belongs to owner zzzzzz" in str(refusal(account, pod_id))


def test_a_pod_with_our_mark_and_another_name_is_not_taken(account: Account) -> None:
    name = "renamed-by-somebody"
    env = {naming.OWNER_MARK: account.owner.id, naming.INTENT_MARK: name}
    error = refusal(account, account.make(name, env))
    assert isinstance(error, ConfigError)
    assert "was changed since it was made: its name is 'renamed-by-somebody'" in str(error)
    assert "PLLM_MODEL None" in str(error)
    assert "Undo that" in error.hint


def test_a_pod_made_by_hand_has_no_deadline_and_is_not_taken(account: Account) -> None:
    error = refusal(account, account.make("my-notebook", {}))
    assert "no deadline and no guard" in str(error)
    assert "serve --endpoint" in error.hint


def test_a_pod_past_its_deadline_is_not_taken(account: Account) -> None:
    name = naming.make(owner=account.owner.id, model="m", token="0" * 12, deadline=1000.0)
    env = {
        naming.OWNER_MARK: account.owner.id,
        naming.INTENT_MARK: name,
        naming.MODEL_MARK: "gpt-oss-20b",
    }
    assert isinstance(refusal(account, account.make(name, env)), RefusedByCap)


def test_a_pod_that_is_not_there_is_not_found(account: Account) -> None:
    assert isinstance(refusal(account, "nosuchpod"), NotFound)


def test_one_state_directory_has_one_pod(account: Account) -> None:
    account.paths.ensure()
    StateStore(account.paths, SystemClock()).save(PodState(current=a_record()))
    assert "has a pod already: pod123" in str(account.fails("adopt", "other"))
