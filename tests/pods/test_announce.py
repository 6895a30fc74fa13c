from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from podman_llm.core.notices import Notice
from podman_llm.pods.announce import Announcer
from tests.samples import NOW, a_record

NOTICE = Notice("deadline x 80%", "the pod ends in 12 min", NOW + 3600)


def test_a_warning_is_logged_and_reaches_every_channel_even_when_one_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[Mapping[str, object]] = []

    def broken(_: Mapping[str, object]) -> str:
        return "the webhook answered 500"

    def working(message: Mapping[str, object]) -> str:
        told.append(message)
        return ""

    with caplog.at_level(logging.WARNING):
        Announcer([broken, working])(NOTICE, a_record())
    assert [record.message for record in caplog.records] == ["pod.notice", "pod.notice_unsent"]
    (message,) = told
    assert message["text"] == "podman-llm: the pod ends in 12 min"
    assert message["pod_id"] == "pod123"
    assert message["deadline"] == NOW + 3600
    assert message["usd_spent"] == 0.44
