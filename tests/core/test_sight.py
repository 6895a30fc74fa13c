from __future__ import annotations

from podman_llm.core.sight import Gone, PodStatus, Rung, Unknown


def test_not_there_and_not_known_are_different_things() -> None:
    gone: object = Gone()
    assert gone != Unknown("")


def test_the_last_good_rung_is_the_completion() -> None:
    ladder = list(Rung)
    assert ladder.index(Rung.HEALTHY) < ladder.index(Rung.LISTED) < ladder.index(Rung.ANSWERING)


def test_statuses_are_spelt_as_the_provider_spells_them() -> None:
    assert {str(status) for status in PodStatus} == {
        "PROVISIONING",
        "STARTING",
        "RUNNING",
        "EXITED",
        "ERROR",
        "TERMINATED",
    }
