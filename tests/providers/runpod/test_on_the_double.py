"""The RunPod adapter against the made-up RunPod: the contract, and what goes wrong on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile

import pytest

from podman_llm.config.models import ProviderSettings
from podman_llm.core.sight import (
    Ambiguous,
    Created,
    Listing,
    NotCreated,
    PodSight,
    PodStatus,
    Refusal,
    Rung,
    TerminateFailed,
    Unknown,
)
from podman_llm.errors import ProviderRefused, ProviderUnreachable
from podman_llm.host.clock import SystemClock
from podman_llm.providers.base import Account, CreateRequest, Provider
from podman_llm.providers.probe import HttpProber
from podman_llm.providers.runpod.provider import RunpodProvider
from podman_llm.testing.runpod_pod import Schedule
from podman_llm.testing.runpod_server import RunpodConfig, RunpodServer
from podman_llm.testing.server_thread import ServerThread
from tests.contracts.provider import KEY, ProviderContract, eventually, listed, request_for

API_KEY = "rpa_double"
AT_ONCE = Schedule(provision=0.0, start=0.0, load=0.0)
NEVER = Schedule(provision=3600.0)
"""Most of this is about the API alone; the pods need not run for it."""


@pytest.fixture
def schedule() -> Schedule:
    return NEVER


at_once = pytest.mark.parametrize("schedule", [AT_ONCE], ids=["at once"])


@pytest.fixture
def double(schedule: Schedule) -> Iterator[RunpodServer]:
    with ServerThread(RunpodServer(RunpodConfig(api_key=API_KEY, schedule=schedule))) as thread:
        yield thread.server


def provider_at(url: str, api_key: str = API_KEY, read_timeout: float = 10.0) -> RunpodProvider:
    settings = ProviderSettings(
        api_base=url,
        endpoint_template=url + "/{pod_id}-{port}",
        read_timeout_seconds=read_timeout,
    )
    return RunpodProvider(settings, api_key, SystemClock())


class TestRunpodProvider(ProviderContract):
    @pytest.fixture
    def provider(self, double: RunpodServer) -> Provider:
        return provider_at(double.url)


@pytest.fixture
def provider(double: RunpodServer) -> RunpodProvider:
    return provider_at(double.url)


def create(provider: Provider, request: CreateRequest | None = None) -> PodSight:
    outcome = provider.create(request or request_for("pllm-abc234-tiny-1"))
    assert isinstance(outcome, Created), outcome
    return outcome.pod


def status(provider: Provider, pod_id: str) -> PodStatus | None:
    sight = provider.get(pod_id)
    return sight.status if isinstance(sight, PodSight) else None


@at_once
def test_a_pod_comes_up_and_answers_with_our_key_only(
    double: RunpodServer, provider: RunpodProvider
) -> None:
    pod = create(provider)
    eventually(lambda: status(provider, pod.pod_id), lambda seen: seen is PodStatus.RUNNING)
    prober = HttpProber(SystemClock())

    def rung(key: str, *, deep: bool = True) -> Rung:
        endpoint = str(pod.endpoint)
        return prober.probe(endpoint, served_name="tiny/llama-random", api_key=key, deep=deep).rung

    eventually(lambda: rung(KEY), lambda reached: reached is Rung.ANSWERING)
    assert rung(KEY, deep=False) is Rung.LISTED
    assert rung("wrong") is Rung.KEY_REFUSED
    provider.terminate(pod.pod_id)
    eventually(lambda: rung(KEY), lambda reached: reached is Rung.UNREACHABLE)


def test_the_request_names_everything_that_it_may_name(
    double: RunpodServer, provider: RunpodProvider
) -> None:
    request = request_for("pllm-abc234-tiny-1")
    place = replace(request.candidate, gpu_count=2)
    pod = create(provider, replace(request, candidate=place))
    assert (pod.gpu_id, pod.gpu_count, pod.cloud) == ("NVIDIA L40S", 2, "SECURE")
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    assert pod.env == {**request.env, "PLLM_KEY_SHA256": digest}


def test_offers_are_read(provider: RunpodProvider) -> None:
    offers = {offer.gpu_id: offer for offer in provider.gpus()}
    assert offers["NVIDIA L40S"].vram_gb == 48
    assert offers["NVIDIA L40S"].secure_price


def test_the_account_tells_what_is_left(double: RunpodServer, provider: RunpodProvider) -> None:
    double.set_balance(17.0)
    account = provider.account()
    assert account == Account(account.balance, 0.0)
    assert account.balance == pytest.approx(17.0, abs=0.01)
    create(provider)
    spending = provider.account().spend_per_hour
    assert spending is not None
    assert spending > 0


def test_the_repository_of_most_accounts_is_off(provider: RunpodProvider) -> None:
    assert provider.models() == ()


def test_a_list_of_many_pods_is_complete(double: RunpodServer, provider: RunpodProvider) -> None:
    double.quirk(page_cap=2)
    made = {create(provider, request_for(f"pod-{number}")).pod_id for number in range(5)}
    assert set(listed(provider)) == made
    assert double.requests.count("GET /v2/pods") == 3


REFUSALS = [
    ("no_capacity", {}, Refusal.CAPACITY),
    ("no_balance", {}, Refusal.BALANCE),
    ("unauthorized", {}, Refusal.AUTH),
    ("pool_denied", {}, Refusal.CANDIDATE),
    ("rate_limited", {"seconds": 7.0}, Refusal.RATE),
    ("status", {"status": 422, "detail": "Request validation failed."}, Refusal.SPEC),
]


@pytest.mark.parametrize(("fault", "details", "refusal"), REFUSALS)
def test_a_certain_refusal_made_nothing(
    double: RunpodServer,
    provider: RunpodProvider,
    fault: str,
    details: dict[str, float | str],
    refusal: Refusal,
) -> None:
    double.fault("POST /v2/pods", fault, **details)
    outcome = provider.create(request_for("a"))
    assert isinstance(outcome, NotCreated)
    assert outcome.refusal is refusal
    assert listed(provider) == {}


@pytest.mark.parametrize(
    "fault",
    [
        "lost_but_created",
        "error_but_created",
        "gateway_but_created",
        "timeout_but_created",
        "cut_mid_body",
    ],
)
def test_a_lost_answer_is_ambiguous_and_the_one_pod_is_found_by_its_name(
    double: RunpodServer, fault: str
) -> None:
    provider = provider_at(double.url, read_timeout=0.5)
    double.fault("POST /v2/pods", fault)
    assert isinstance(provider.create(request_for("pllm-abc234-lost")), Ambiguous)
    found = eventually(lambda: listed(provider), lambda pods: len(pods) > 0)
    assert [pod.name for pod in found.values()] == ["pllm-abc234-lost"]
    assert double.requests.count("POST /v2/pods") == 1


@pytest.mark.parametrize("fault", ["server_error", "bad_gateway", "reset", "timeout"])
def test_an_answer_that_says_nothing_is_ambiguous_although_nothing_was_made(
    double: RunpodServer, fault: str
) -> None:
    provider = provider_at(double.url, read_timeout=0.5)
    double.fault("POST /v2/pods", fault)
    assert isinstance(provider.create(request_for("a")), Ambiguous)
    assert listed(provider) == {}


def test_a_connection_that_is_refused_sent_nothing(double: RunpodServer) -> None:
    with ServerThread(RunpodServer()) as gone:
        url = gone.url
    outcome = provider_at(url).create(request_for("a"))
    assert isinstance(outcome, NotCreated)
    assert outcome.refusal is Refusal.NOT_SENT


@pytest.mark.parametrize(
    "fault", ["server_error", "bad_gateway", "reset", "timeout", "garbage", "unauthorized"]
)
def test_no_failing_look_is_read_as_absence(double: RunpodServer, fault: str) -> None:
    provider = provider_at(double.url, read_timeout=0.5)
    pod = create(provider)
    double.fault("GET /v2/pods*", fault, times=2)
    assert isinstance(provider.list_pods(), Unknown)
    assert isinstance(provider.get(pod.pod_id), Unknown)
    assert isinstance(provider.list_pods(), Listing)


def test_an_order_that_fails_can_be_repeated(
    double: RunpodServer, provider: RunpodProvider
) -> None:
    pod = create(provider)
    double.fault("DELETE *", "server_error")
    assert isinstance(provider.terminate(pod.pod_id), TerminateFailed)
    assert pod.pod_id in listed(provider)
    provider.terminate(pod.pod_id)
    eventually(lambda: listed(provider), lambda pods: not pods)


def test_a_bad_key_is_refused_and_not_shown(double: RunpodServer) -> None:
    stranger = provider_at(double.url, api_key="rpa_SOMEBODYELSE")
    with pytest.raises(ProviderRefused) as raised:
        stranger.gpus()
    sight = stranger.list_pods()
    assert isinstance(sight, Unknown)
    assert "RUNPOD_API_KEY" in raised.value.hint
    assert "SOMEBODYELSE" not in str(raised.value) + raised.value.hint + sight.why


def test_a_retired_api_says_so(double: RunpodServer, provider: RunpodProvider) -> None:
    double.fault("GET /v2/catalog/gpus", "status", status=410, detail="gone")
    with pytest.raises(ProviderRefused, match="retired"):
        provider.gpus()


def test_no_stock_is_told_in_words(double: RunpodServer, provider: RunpodProvider) -> None:
    double.close_capacity()
    outcome = provider.create(request_for("a"))
    assert isinstance(outcome, NotCreated)
    assert "no longer any instances" in outcome.message


@at_once
def test_logs_are_read_to_the_end_and_followed(
    double: RunpodServer, provider: RunpodProvider
) -> None:
    pod = create(provider)
    eventually(lambda: status(provider, pod.pod_id), lambda seen: seen is PodStatus.RUNNING)
    followed = provider.logs(pod.pod_id, source="pod", tail=100, follow=True)
    before_the_end = takewhile(lambda line: "startup complete" not in line.line, followed)
    assert any(line.line == "PLLM-BOOT ok key=demanded" for line in before_the_end)
    (last,) = provider.logs(pod.pod_id, source="pod", tail=1, follow=False)
    assert "startup complete" in last.line
    (system,) = provider.logs(pod.pod_id, source="system", tail=1, follow=False)
    assert system.source == "system"


def test_logs_that_cannot_be_read_say_why(double: RunpodServer, provider: RunpodProvider) -> None:
    pod = create(provider)
    double.fault("GET */logs", "bad_gateway")
    with pytest.raises(ProviderUnreachable, match="502"):
        list(provider.logs(pod.pod_id, source="pod", tail=1, follow=False))
