"""What every provider keeps to. An adapter's test file subclasses ``ProviderContract``."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from podman_llm.core.pod import Candidate, PodSpec
from podman_llm.core.sight import Created, Gone, Listing, PodSight, Terminated
from podman_llm.errors import NotFound
from podman_llm.providers.base import Billing, CreateRequest, Provider

_Seen = TypeVar("_Seen")

KEY = "pllm-0123456789abcdef"
MARKERS = {
    "PLLM_OWNER": "abc234",
    "PLLM_ATTEMPT": "1",
    "PLLM_DEADLINE": "1795003600",
    "PLLM_MODEL": "tiny/llama-random@main",
}

SPEC = PodSpec(
    model_store_id="tiny",
    hf_id="tiny/llama-random",
    revision="main",
    served_names=("tiny", "tiny/llama-random"),
    context=512,
    image="vllm/vllm-openai:v0.32.0",
    command=("vllm", "serve", "tiny/llama-random", "--tensor-parallel-size", "{gpu_count}"),
    port=8000,
    disk_gb=40,
    min_cuda="12.8",
    env={},
    template_id=None,
    network_volume_id=None,
)
CANDIDATE = Candidate(
    gpu_id="NVIDIA L40S",
    gpu_name="L40S",
    gpu_count=1,
    cloud="SECURE",
    data_center_id=None,
    price_per_hour=0.79,
    vram_gb=48.0,
    availability="HIGH",
)


def request_for(name: str, *, keyed: bool = True) -> CreateRequest:
    """An ordinary attempt under this name."""
    return CreateRequest(
        name=name,
        spec=SPEC,
        candidate=CANDIDATE,
        env={**MARKERS, "PLLM_INTENT": name},
        api_key_sha256=hashlib.sha256(KEY.encode()).hexdigest() if keyed else None,
    )


def eventually(look: Callable[[], _Seen], holds: Callable[[_Seen], bool]) -> _Seen:
    """Look until it holds; a provider may take its time, but not for ever."""
    until = time.monotonic() + 20
    while not holds(seen := look()):
        assert time.monotonic() < until, f"still {seen}"
        time.sleep(0.05)
    return seen


def listed(provider: Provider) -> dict[str, PodSight]:
    listing = provider.list_pods()
    assert isinstance(listing, Listing), listing
    return {pod.pod_id: pod for pod in listing.pods}


class ProviderContract:
    @pytest.fixture
    def provider(self) -> Provider:
        raise NotImplementedError("the adapter's suite says which provider")

    def request(self, name: str, provider: Provider) -> CreateRequest:
        return request_for(name, keyed=provider.keyed)

    @pytest.fixture
    def created(self, provider: Provider) -> PodSight:
        outcome = provider.create(self.request("pllm-abc234-tiny-1", provider))
        assert isinstance(outcome, Created), outcome
        return outcome.pod

    def test_its_name_is_one_lower_case_word(self, provider: Provider) -> None:
        assert provider.name.isidentifier()
        assert provider.name == provider.name.lower()

    def test_a_created_pod_is_listed_and_found_by_id(
        self, provider: Provider, created: PodSight
    ) -> None:
        by_list = eventually(lambda: listed(provider), lambda pods: created.pod_id in pods)
        by_id = provider.get(created.pod_id)
        assert isinstance(by_id, PodSight)
        for sight in (created, by_list[created.pod_id], by_id):
            assert (sight.pod_id, sight.name) == (created.pod_id, "pllm-abc234-tiny-1")

    def test_its_markers_come_back(self, provider: Provider, created: PodSight) -> None:
        sight = provider.get(created.pod_id)
        assert isinstance(sight, PodSight)
        assert sight.env.items() >= {**MARKERS, "PLLM_INTENT": "pllm-abc234-tiny-1"}.items()

    def test_it_tells_when_it_was_created(self, created: PodSight) -> None:
        assert created.created_at is not None

    def test_a_keyed_pod_is_told_the_hash_and_never_the_key(
        self, provider: Provider, created: PodSight
    ) -> None:
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        assert created.env.get("PLLM_KEY_SHA256") == (digest if provider.keyed else None)
        assert KEY not in str(created)

    def test_pods_of_different_names_are_different_pods(
        self, provider: Provider, created: PodSight
    ) -> None:
        other = provider.create(self.request("pllm-abc234-tiny-2", provider))
        assert isinstance(other, Created)
        assert other.pod.pod_id != created.pod_id
        eventually(
            lambda: set(listed(provider)),
            lambda ids: ids >= {created.pod_id, other.pod.pod_id},
        )

    def test_a_terminated_pod_is_soon_neither_found_nor_listed(
        self, provider: Provider, created: PodSight
    ) -> None:
        assert isinstance(provider.terminate(created.pod_id), Terminated)
        eventually(lambda: provider.get(created.pod_id), lambda sight: isinstance(sight, Gone))
        eventually(lambda: listed(provider), lambda pods: created.pod_id not in pods)

    def test_terminating_again_is_no_failure(self, provider: Provider, created: PodSight) -> None:
        for _ in range(3):
            assert isinstance(provider.terminate(created.pod_id), Terminated)

    def test_a_pod_that_never_was_is_gone_and_can_be_terminated(self, provider: Provider) -> None:
        assert provider.get("nosuchpod") == Gone()
        assert isinstance(provider.terminate("nosuchpod"), Terminated)

    @pytest.mark.parametrize("follow", [False, True])
    def test_a_pod_that_never_was_has_no_logs(self, provider: Provider, follow: bool) -> None:
        with pytest.raises(NotFound, match="nosuchpod"):
            list(provider.logs("nosuchpod", source="pod", tail=10, follow=follow))

    def test_looking_changes_nothing(self, provider: Provider, created: PodSight) -> None:
        eventually(lambda: listed(provider), lambda pods: created.pod_id in pods)
        still = [replace(pod, uptime=None) for pod in listed(provider).values()]
        provider.get(created.pod_id)
        assert len(still) == len(listed(provider)) == 1

    def test_offers_can_be_ordered(self, provider: Provider) -> None:
        for offer in provider.gpus():
            assert offer.gpu_id
            assert offer.vram_gb > 0
            assert offer.secure_price != 0
            assert offer.community_price != 0

    def test_models_and_account_can_be_asked_for(self, provider: Provider) -> None:
        assert all(model.origin == "repository" for model in provider.models())
        account = provider.account()
        assert account.spend_per_hour is None or account.spend_per_hour >= 0

    def test_it_can_be_reached(self, provider: Provider) -> None:
        server_time = provider.reach().server_time
        assert server_time is None or server_time > 0

    def test_its_bill_names_pods_and_days_or_is_unknown(
        self, provider: Provider, created: PodSight
    ) -> None:
        now = created.created_at or 0.0
        bill = provider.billing(since=now - 3600, until=now + 3600)
        if isinstance(bill, Billing):
            assert all(one.pod_id and one.since < one.until and one.usd >= 0 for one in bill.hours)
        else:
            assert bill.why
