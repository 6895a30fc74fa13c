"""The tally wakes those who wait."""

from __future__ import annotations

import asyncio

from podman_llm.testing.openai_tally import Tally
from podman_llm.testing.transcripts import RecordedRequest


async def test_waiting_ends_with_the_change_that_makes_it_true() -> None:
    tally = Tally()
    waiting = asyncio.create_task(tally.wait_until(lambda: tally.running == 2))
    await asyncio.sleep(0)
    tally.change(running=1)
    await asyncio.sleep(0)
    assert not waiting.done()
    tally.change(running=1)
    await waiting


async def test_what_already_holds_is_not_waited_for() -> None:
    await Tally().wait_until(lambda: True)


async def test_the_summary_has_every_number_and_how_many_requests() -> None:
    tally = Tally()
    tally.receive(RecordedRequest("GET", "/", "HTTP/1.1", (), b""))
    tally.change(cancelled=1)
    summary = tally.summary()
    assert (summary["requests"], summary["cancelled"], summary["running"]) == (1, 1, 0)
