from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.guard import (
    ARMED_WITHIN,
    WORDS,
    Announcement,
    Heard,
    announcement,
    is_awaited,
    is_host_trouble,
    judged,
    runs,
    warning,
)
from podman_llm.core.pod import Guard, Phase, PodRecord
from podman_llm.core.sight import Gone, PodStatus, Unknown
from tests.core.worlds import START, record_in, sight_of

HARD = START + 10800
SAID = Announcement(HARD, "200")


def awaiting(phase: Phase = Phase.BOOTING, **changes: Any) -> PodRecord:
    return record_in(phase, **{"guard": Guard.AWAITED, **changes})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("PLLM-GUARD armed deadline=1010800 selfkey=200", SAID),
        ("(pid=1) PLLM-GUARD armed deadline=5 selfkey=unreachable", Announcement(5, "unreachable")),
        ("PLLM-GUARD failed: PLLM_DEADLINE is no time in seconds", None),
        ("PLLM-GUARD armed deadline=soon selfkey=200", None),
        ("PLLM-BOOT ok key=demanded", None),
    ],
)
def test_the_announcement_is_one_line(line: str, expected: Announcement | None) -> None:
    assert announcement(line) == expected


@pytest.mark.parametrize(
    ("line", "is_trouble"),
    [
        ("error starting container: OCI runtime create failed: container_linux.go:380", True),
        ("nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8", True),
        ("nvidia-container-cli: initialization error: nvml error: driver not loaded", True),
        ("write /var/lib/docker/tmp: no space left on device", True),
        ("exec /usr/bin/python3: exec format error", True),
        ("pull vllm/vllm-openai:v0.32.0: Image is up to date", False),
        ("start container for vllm/vllm-openai:v0.32.0: begin", False),
    ],
)
def test_a_host_says_in_its_own_words_that_it_is_broken(line: str, is_trouble: bool) -> None:
    assert is_host_trouble(line) is is_trouble


@pytest.mark.parametrize(
    ("key", "guard"),
    [
        ("200", Guard.ARMED),
        ("403", Guard.KEY_REFUSED),
        ("401", Guard.KEY_REFUSED),
        ("404", Guard.KEY_REFUSED),
        ("none", Guard.KEY_REFUSED),
        ("503", Guard.KEY_UNTRIED),
        ("429", Guard.KEY_UNTRIED),
        ("unreachable", Guard.KEY_UNTRIED),
    ],
)
def test_an_announcement_tells_what_the_key_is_good_for(key: str, guard: Guard) -> None:
    assert judged(awaiting(), Heard(Announcement(HARD, key)), START) is guard


def test_a_guard_of_a_later_deadline_is_none_of_this_pod() -> None:
    late = Heard(Announcement(HARD + 2, "200"))
    assert judged(awaiting(), late, START) is Guard.ABSENT
    early = Heard(Announcement(HARD - 60, "200"))
    assert judged(awaiting(), early, START) is Guard.ARMED


@pytest.mark.parametrize(
    ("heard", "after", "guard"),
    [
        (None, ARMED_WITHIN + 1, Guard.AWAITED),
        (Heard(is_whole=True), ARMED_WITHIN, Guard.AWAITED),
        (Heard(is_whole=True), ARMED_WITHIN + 1, Guard.ABSENT),
        (Heard(is_whole=False), ARMED_WITHIN + 1, Guard.UNSEEN),
        (Heard(SAID), ARMED_WITHIN + 999, Guard.ARMED),
    ],
)
def test_only_a_whole_log_without_it_is_an_absence(
    heard: Heard | None, after: float, guard: Guard
) -> None:
    assert judged(awaiting(), heard, START + after) is guard


def test_time_counts_from_the_containers_start() -> None:
    record = awaiting(phase=Phase.PROVISIONING, running_at=None)
    assert judged(record, Heard(is_whole=True), START + 9999) is Guard.AWAITED


@pytest.mark.parametrize("guard", [one for one in Guard if one is not Guard.AWAITED])
def test_what_is_known_stays(guard: Guard) -> None:
    assert judged(awaiting(guard=guard), Heard(is_whole=True), START + 9999) is guard


def test_logs_are_read_only_while_something_is_awaited_of_a_pod_that_is_there() -> None:
    assert is_awaited(awaiting(), sight_of())
    assert not is_awaited(awaiting(), Gone())
    assert not is_awaited(awaiting(), Unknown("503"))
    assert not is_awaited(awaiting(guard=Guard.ARMED), sight_of())
    assert not is_awaited(awaiting(phase=Phase.STOPPING), sight_of())


def test_only_the_provider_says_that_a_container_runs() -> None:
    assert runs(sight_of())
    assert not runs(sight_of(status=PodStatus.STARTING))
    assert not runs(Unknown("503"))


@pytest.mark.parametrize("guard", Guard)
def test_what_is_wrong_with_a_guard_is_said_with_what_to_do(guard: Guard) -> None:
    told = warning(awaiting(guard=guard))
    if guard in {Guard.NONE, Guard.AWAITED, Guard.ARMED}:
        assert told == ""
    else:
        assert WORDS[guard] in told
        assert "`podman-llm reap`" in told
