"""What becomes of each failure of Bedrock's, as the documentation's table says it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from tests.proxy.failover_rig import CLAUDE, House, house

DOCS = Path(__file__).parent.parent.parent / "docs" / "routing.md"
ABSENT: dict[str, Any] = {"url": None, "pod_state": "DONE", "message": "There is no pod."}
Kind = BedrockFaultKind
FAULTS: dict[str, dict[str, Any] | None] = {
    "throttled": {"kind": Kind.EXCEPTION, "name": "ThrottlingException"},
    "overloaded": {"kind": Kind.EXCEPTION, "name": "ServiceUnavailableException"},
    "an internal error": {"kind": Kind.EXCEPTION, "name": "InternalServerException"},
    "our credentials refused": {"kind": Kind.EXCEPTION, "name": "UnrecognizedClientException"},
    "a proxy's `502` with an HTML page": {"kind": Kind.HTML},
    "nobody listens": None,
    "connection closed without a byte": {"kind": Kind.HANG_UP, "times": 2},
    "throttled, inside the stream": {"kind": Kind.STREAM_EXCEPTION},
    "the model's error, inside the stream": {
        "kind": Kind.STREAM_EXCEPTION,
        "name": "ModelStreamErrorException",
    },
    "an error that nobody describes, inside the stream": {
        "kind": Kind.STREAM_ERROR,
        "name": "SomethingElse",
    },
    "an event with a wrong checksum": {"kind": Kind.BAD_CHECKSUM},
    "an event cut in half": {"kind": Kind.HALF_EVENT},
    "an end without `messageStop`": {"kind": Kind.EARLY_END},
    "connection reset": {"kind": Kind.RESET},
    "silence": {"kind": Kind.FREEZE},
    "the request refused": {"kind": Kind.EXCEPTION, "name": "ValidationException"},
}
NEXT = "the next one's answer"
# The start of a message, which has no content, passes; with three events the first words have.
BEFORE, AFTER = 1, 3


def table() -> dict[str, list[str]]:
    """The rows of the table in the documentation, by their first cell."""
    text = DOCS.read_text(encoding="utf-8").partition("## What a failure of Bedrock becomes")[2]
    text = text.partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows[2:]}


TABLE = table()
BREAKS = [row for row, cells in TABLE.items() if cells[2] != "-"]


async def order(rig: House, row: str, *, after_events: int = BEFORE) -> None:
    rig.set_target(**ABSENT)
    fault = FAULTS[row]
    if fault is None:
        await rig.bedrock.stop()
    else:
        rig.bedrock.add_fault(BedrockFault(after_events=after_events, **fault))


def test_the_table_has_a_row_for_each_fault_that_is_tried() -> None:
    assert TABLE.keys() == FAULTS.keys()


@pytest.mark.parametrize("row", TABLE)
async def test_before_any_content_the_next_one_answers_and_nobody_sees_it(row: str) -> None:
    async with house("other", bedrock={}, routing={"first_content_seconds": 0.3}) as rig:
        await order(rig, row)
        said = await rig.ask(stream=True)
        if TABLE[row][0] == NEXT:
            assert said.is_whole
            assert said.models == {"other-model"}
            assert re.fullmatch(
                rf"bedrock/{CLAUDE};outcome=[a-z]+, other/other-model;outcome=answered",
                said.headers["X-Attempts"],
            )
        else:
            assert TABLE[row][0] == f"`{said.status}` as it came"
            assert said.headers["X-Served-By"] == f"bedrock/{CLAUDE}"


@pytest.mark.parametrize("row", TABLE)
async def test_alone_it_is_an_error_that_says_when_to_come_back(row: str) -> None:
    async with house(bedrock={}, routing={"deadline_seconds": 0.3}) as rig:
        await order(rig, row)
        said = await rig.ask(stream=True)
        status, _, as_it_came = TABLE[row][1].partition(" ")
        assert status == f"`{said.status}`"
        if not as_it_came:
            assert said.document["error"]["code"] == "all_failed"
            assert f"bedrock/{CLAUDE}: " in said.error
            assert int(said.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("row", BREAKS)
async def test_after_content_it_aborts_the_connection_and_the_retry_is_served(row: str) -> None:
    silence = {"proxy": {"idle_timeout_seconds": 0.3}}
    async with house("other", bedrock={}, settings=silence) as rig:
        # One by one: what comes in the same breath as a failure counts for nothing.
        rig.bedrock.config = replace(rig.bedrock.config, seconds_per_event=0.01)
        await order(rig, row, after_events=AFTER)
        said = await rig.ask(stream=True, seed=1)
        assert TABLE[row][2] == "aborted"
        assert said.is_aborted
        assert b"[DONE]" not in said.body
        again = await rig.ask(stream=True, seed=1)
        assert again.is_whole
        assert len(again.models) == 1
        assert again.headers["X-Cache"] == "MISS"


@pytest.mark.parametrize("row", [row for row in TABLE if row not in BREAKS] + ["connection reset"])
async def test_what_is_no_stream_goes_to_the_next_one_as_well(row: str) -> None:
    async with house("other", bedrock={}) as rig:
        await order(rig, row)
        said = await rig.ask()
        if TABLE[row][0] == NEXT:
            assert said.models == {"other-model"}
        else:
            assert TABLE[row][0] == f"`{said.status}` as it came"
