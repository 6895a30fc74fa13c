from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from podman_llm.core.sight import (
    Created,
    Gone,
    Listing,
    NotCreated,
    PodSight,
    PodStatus,
    Refusal,
    Terminated,
    TerminateFailed,
    Unknown,
)
from podman_llm.host.clock import SystemClock
from podman_llm.providers.base import CreateRequest, Provider
from podman_llm.providers.local import LocalProvider
from tests.contracts.provider import ProviderContract, eventually, request_for

SERVE = (sys.executable, "-u", "-m", "http.server", "{port}", "--bind", "127.0.0.1")


def provider_of(folder: Path, *command: str) -> LocalProvider:
    environ = {"PATH": os.environ["PATH"], "PLLM_INHERITED": "yes"}
    return LocalProvider(command, folder, SystemClock(), environ=environ, grace=5.0)


def request(name: str = "pod") -> CreateRequest:
    return request_for(name, keyed=False)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "local"
    yield folder
    for path in folder.glob("*.json"):
        provider_of(folder).terminate(path.stem)


def create(provider: LocalProvider) -> PodSight:
    outcome = provider.create(request())
    assert isinstance(outcome, Created), outcome
    return outcome.pod


class TestLocalProvider(ProviderContract):
    @pytest.fixture
    def provider(self, folder: Path) -> Provider:
        return provider_of(folder, *SERVE)


def test_it_serves_on_the_endpoint_it_names(folder: Path) -> None:
    provider = provider_of(folder, *SERVE)
    pod = create(provider)
    assert pod.endpoint is not None

    def fetch() -> int:
        try:
            with urllib.request.urlopen(str(pod.endpoint)) as response:
                status: int = response.status
                return status
        except OSError:
            return 0

    eventually(fetch, lambda status: status == 200)
    assert (pod.status, pod.cost_per_hour) == (PodStatus.RUNNING, 0.0)


def test_port_and_model_are_filled_in_and_other_braces_are_left(folder: Path) -> None:
    provider = provider_of(folder, "echo", "{model}", "port={port}", '{"a": {}}')
    pod = create(provider)
    eventually(lambda: provider.get("pod"), lambda sight: "EXITED" in str(sight))
    (line,) = provider.logs("pod", source="pod", tail=10, follow=False)
    port = str(pod.endpoint).rpartition(":")[2]
    assert line.line == f'tiny/llama-random port={port} {{"a": {{}}}}'


def test_it_sees_the_markers_and_what_it_inherits(folder: Path) -> None:
    provider = provider_of(folder, "sh", "-c", "echo $PLLM_INTENT $PLLM_INHERITED")
    create(provider)
    lines = provider.logs("pod", source="pod", tail=10, follow=True)
    assert [line.line for line in lines] == ["pod yes"]


def test_a_pod_is_found_again_by_another_daemon(folder: Path) -> None:
    provider = provider_of(folder, *SERVE)
    created = create(provider)
    again = provider_of(folder)
    found = again.get("pod")
    assert isinstance(found, PodSight)
    assert replace(found, uptime=None) == replace(created, uptime=None)
    assert isinstance(again.terminate("pod"), Terminated)
    assert again.list_pods() == Listing(())


def test_a_command_that_ended_shows_as_exited_until_it_is_terminated(folder: Path) -> None:
    provider = provider_of(folder, "false")
    create(provider)
    sight = eventually(lambda: provider.get("pod"), lambda sight: "EXITED" in str(sight))
    assert isinstance(sight, PodSight)
    assert sight.uptime is None
    provider.terminate("pod")
    assert provider.get("pod") == Gone()


def test_nothing_of_a_terminated_pod_stays_on_the_disk(folder: Path) -> None:
    provider = provider_of(folder, *SERVE)
    create(provider)
    provider.terminate("pod")
    assert list(folder.iterdir()) == []


def test_without_a_command_it_says_which_setting_is_missing(folder: Path) -> None:
    outcome = provider_of(folder).create(request())
    assert isinstance(outcome, NotCreated)
    assert outcome.refusal is Refusal.SPEC
    assert "provider.local_command" in outcome.message


def test_a_name_is_not_used_twice_and_never_leaves_the_folder(folder: Path) -> None:
    provider = provider_of(folder, *SERVE)
    create(provider)
    for name in ("pod", "../pod", "", ".hidden"):
        assert isinstance(provider.create(request(name)), NotCreated)
    assert provider.get("../local/pod") == Gone()
    assert provider.list_pods() != Listing(())


def test_a_folder_that_cannot_be_written_refuses_the_pod(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    outcome = provider_of(blocked, *SERVE).create(request())
    assert isinstance(outcome, NotCreated)
    assert str(blocked) in outcome.message


def test_a_damaged_entry_makes_everything_unknown_and_nothing_gone(folder: Path) -> None:
    provider = provider_of(folder, *SERVE)
    create(provider)
    entry = folder / "pod.json"
    whole = entry.read_bytes()
    for damaged in (b"", b"{}", b"[]", whole[:-20]):
        entry.write_bytes(damaged)
        assert isinstance(provider.list_pods(), Unknown)
        assert isinstance(provider.get("pod"), Unknown)
        assert isinstance(provider.terminate("pod"), TerminateFailed)
    entry.write_bytes(whole)
    assert isinstance(provider.terminate("pod"), Terminated)


def test_the_log_can_be_cut_to_its_end_and_followed(folder: Path) -> None:
    ready, go = folder / "ready", folder / "go"
    script = (
        f"echo 1; echo 2; echo 3; touch {ready}; until [ -e {go} ]; do sleep 0.02; done; echo 4"
    )
    provider = provider_of(folder, "sh", "-c", script)
    create(provider)
    eventually(ready.exists, bool)
    cut = provider.logs("pod", source="pod", tail=2, follow=False)
    assert [line.line for line in cut] == ["2", "3"]
    followed = provider.logs("pod", source="pod", tail=1, follow=True)
    assert next(followed).line == "3"
    go.touch()
    assert [line.line for line in followed] == ["4"]


def test_there_is_no_host_to_write_system_lines(folder: Path) -> None:
    provider = provider_of(folder, *SERVE)
    create(provider)
    assert list(provider.logs("pod", source="system", tail=10, follow=True)) == []
