from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest

from podman_llm.testing.openai_faults import Fault, FaultKind
from tests.proxy.failover_rig import BOOTING, POD_MODEL, House, house
from tests.proxy.rig import ANSWER, CHAT, http, proxy, says

DOCS = Path(__file__).parent.parent.parent / "docs" / "routing.md"
FAULTS: dict[str, dict[str, Any] | None] = {
    "`429`": {"kind": FaultKind.STATUS, "status": 429},
    "`500`": {"kind": FaultKind.STATUS, "status": 500},
    "`503`": {"kind": FaultKind.STATUS, "status": 503},
    "`404` with an HTML page": {"kind": FaultKind.STATUS, "status": 404},
    "`502` with an HTML page": {"kind": FaultKind.STATUS, "status": 502},
    "`524` with an HTML page": {"kind": FaultKind.STATUS, "status": 524},
    "`400`": {},
    "nobody listens": None,
    "connection closed without a byte": {"kind": FaultKind.HANG_UP, "times": 2},
    "connection reset": {"kind": FaultKind.RESET},
    "answer cut": {"kind": FaultKind.TRUNCATE},
    "error inside the stream": {"kind": FaultKind.ENGINE_ERROR},
    '`finish_reason: "abort"`': {"kind": FaultKind.ABORT},
    "clean end too early": {"kind": FaultKind.EARLY_END},
    "JSON instead of a stream": {"kind": FaultKind.JSON_FOR_STREAM},
    "silence": {"kind": FaultKind.FREEZE},
}


def table() -> dict[str, list[str]]:
    """The rows of the table in the documentation, by their first cell."""
    text = DOCS.read_text(encoding="utf-8").partition("The tests read this table")[2]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows[2 : len(FAULTS) + 2]}


TABLE = table()
FALLBACK = "the fallback's answer"
# The role, which has no content, passes; with three events the first words have.
BEFORE, AFTER = 1, 3


async def order(rig: House, row: str, *, after_events: int) -> None:
    fault = FAULTS[row]
    if fault is None:
        await rig.pod.kill()
    elif fault:
        rig.pod.add_fault(Fault(after_events=after_events, **fault))


def question(row: str) -> dict[str, Any]:
    """What is asked; a bad request needs no fault of the pod's."""
    return {"temperature": "hot"} if row == "`400`" else {}


def test_the_table_has_a_row_for_each_fault_that_is_tried() -> None:
    assert TABLE.keys() == FAULTS.keys()


@pytest.mark.parametrize("row", TABLE)
async def test_before_any_content_a_failure_goes_unseen_if_anybody_can_answer(row: str) -> None:
    async with house("other", routing={"first_content_seconds": 0.3}) as rig:
        await order(rig, row, after_events=BEFORE)
        said = await rig.ask(stream=True, **question(row))
        if TABLE[row][0] == FALLBACK:
            assert said.is_whole
            assert said.models == {"other-model"}
            assert said.headers["X-Served-By"] == "other/other-model"
            assert said.headers["X-Fallback-Reason"]
            assert re.fullmatch(
                r"pod/abc;outcome=[a-z]+, other/other-model;outcome=answered",
                said.headers["X-Attempts"],
            )
            assert (rig.activity.failed_attempts, rig.activity.fallbacks) == (1, 1)
        else:
            assert TABLE[row][0] == f"`{said.status}` as it came"
            assert said.headers["X-Served-By"] == "pod/abc"


@pytest.mark.parametrize("row", TABLE)
async def test_alone_before_any_content_a_failure_is_an_honest_status(row: str) -> None:
    async with house(routing={"deadline_seconds": 0.3}) as rig:
        await order(rig, row, after_events=BEFORE)
        said = await rig.ask(stream=True, **question(row))
        status, _, as_it_came = TABLE[row][1].partition(" ")
        assert status == f"`{said.status}`"
        assert said.headers["X-Served-By"] == ("pod/abc" if as_it_came else "podman-llm")
        if not as_it_came:
            assert said.error.startswith("podman-llm: pod/abc: ")
        if said.status in {429, 502, 503, 504}:
            assert int(said.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("row", [row for row, cells in TABLE.items() if cells[2] != "-"])
async def test_after_content_a_failure_aborts_the_connection_and_the_retry_is_served(
    row: str,
) -> None:
    async with house("other", idle_timeout=0.3) as rig:
        await order(rig, row, after_events=AFTER)
        said = await rig.ask(stream=True, seed=1)
        assert TABLE[row][2] == "aborted"
        assert said.is_aborted
        assert said.models == {POD_MODEL}
        assert b"[DONE]" not in said.body
        again = await rig.ask(stream=True, seed=1)
        assert again.is_whole
        assert len(again.models) == 1
        assert again.headers["X-Cache"] == "MISS"


@pytest.mark.parametrize("row", [row for row in TABLE if row not in {"silence", "`400`"}])
async def test_what_is_no_stream_fails_over_as_well(row: str) -> None:
    async with house("other") as rig:
        await order(rig, row, after_events=BEFORE)
        said = await rig.ask()
        assert said.is_whole
        is_no_fault = row == "JSON instead of a stream"
        assert said.models == {POD_MODEL if is_no_fault else "other-model"}


async def test_a_pod_killed_after_content_costs_the_retry_next_to_nothing() -> None:
    async with house("other") as rig:
        rig.break_pod(FaultKind.RESET)
        assert (await rig.ask(stream=True)).is_aborted
        await rig.pod.kill()
        began = time.monotonic()
        said = await rig.ask(stream=True)
        assert time.monotonic() - began < 0.5  # a healthy one takes some 10 ms here
        assert said.models == {"other-model"}
        assert said.is_whole


@pytest.mark.parametrize("stream", [True, False])
async def test_while_the_pod_boots_a_fallback_answers_and_then_the_pod(stream: bool) -> None:
    async with house("other") as rig:
        rig.set_target(**BOOTING)
        said = await rig.ask(stream=stream)
        assert said.models == {"other-model"}
        assert said.headers["X-Fallback-Reason"].startswith("The pod is BOOTING")
        assert said.headers["X-Attempts"] == "other/other-model;outcome=answered"
        assert rig.activity.last_counted_at is None  # no use of the pod
        rig.set_target(url=rig.pod.url)
        said = await rig.ask(stream=stream)
        assert said.models == {POD_MODEL}
        assert "X-Fallback-Reason" not in said.headers


async def test_a_fallback_is_asked_for_tools_and_schemas_in_its_own_words() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
    async with house("other") as rig:
        rig.set_target(**BOOTING)
        for more in ({"tools": [tool]}, {"response_format": schema}):
            said = await rig.ask(top_k=3, headers={"Authorization": "Bearer sk-mine"}, **more)
            assert said.models == {"other-model"}
        request = rig.services["other"].requests[-1]
        assert b"top_k" not in request.body
        assert b"max_completion_tokens" in request.body
        assert request.header("authorization") == "Bearer sk-ours"


async def test_who_cannot_honour_a_request_is_not_asked() -> None:
    async with house("other") as rig:
        rig.set_target(**BOOTING)
        said = await rig.ask(n=2)
        assert (said.status, said.headers["Retry-After"]) == (503, "5")
        assert said.error.endswith("try again in 5 s. other lacks n.")
        assert not rig.services["other"].requests


async def test_an_overloaded_service_gives_way_to_the_next() -> None:
    async with house("first", "second") as rig:
        rig.set_target(**BOOTING)
        rig.services["first"].add_fault(Fault(FaultKind.STATUS, status=429))
        said = await rig.ask()
        assert said.models == {"second-model"}
        assert said.headers["X-Attempts"] == (
            "first/first-model;outcome=overloaded, second/second-model;outcome=answered"
        )


async def test_when_all_fail_one_error_names_each_attempt_and_its_reason() -> None:
    async with house("first", "second") as rig:
        await rig.pod.kill()
        rig.services["first"].add_fault(Fault(FaultKind.STATUS, status=429, retry_after=9))
        rig.services["second"].add_fault(Fault(FaultKind.STATUS, status=500))
        said = await rig.ask(stream=True)
        assert (said.status, said.headers["Retry-After"]) == (503, "9")
        assert said.document["error"]["code"] == "all_failed"
        message = said.error.removeprefix("podman-llm: Nobody answered. pod/abc: ")
        assert "cannot be reached" in message
        assert "first/first-model: status 429: Too many requests" in message
        assert "second/second-model: status 500: Internal server error." in message
        assert said.headers["X-Served-By"] == "podman-llm"
        assert said.headers["X-Attempts"].count(";outcome=") == 3
        assert rig.activity.failed_attempts == 3


async def test_one_deadline_holds_for_all_attempts_together() -> None:
    async with house("first", "second", routing={"deadline_seconds": 0.3}) as rig:
        rig.set_target(**BOOTING)
        rig.services["first"].add_fault(Fault(FaultKind.DELAY, seconds=30))
        said = await rig.ask()
        assert said.status == 503
        assert "first/first-model: no content within" in said.error
        assert said.error.endswith(" second is not asked: no time is left.")
        assert not rig.services["second"].requests
        assert rig.activity.snapshot().circuits["second"] == "CLOSED"


async def test_a_services_refusal_of_our_key_is_not_the_clients_affair() -> None:
    async with house("first", "second") as rig:
        rig.set_target(**BOOTING)
        rig.services["first"].add_fault(Fault(FaultKind.STATUS, status=401))
        assert (await rig.ask()).models == {"second-model"}


@pytest.mark.parametrize("status", ["400 Bad Request", "500 Internal Server Error"])
async def test_a_refusal_that_repeats_our_key_is_told_without_it(status: str) -> None:
    told = http(b'{"error": {"message": "the key pllm-1 is no good"}}', status=status)
    async with proxy(says(told), target={"api_key": "pllm-1"}) as rig:
        said = await rig.ask({"messages": []})
        assert said.status == int(status[:3])
        assert b"the key [secret] is no good" in said.body


async def test_a_lone_pods_failure_names_also_who_could_not_be_asked() -> None:
    async with house("other") as rig:
        await rig.pod.kill()
        said = await rig.ask(n=2)
        assert said.status == 502
        assert said.error.endswith(". other lacks n.")
        assert said.headers["X-Attempts"] == "pod/abc;outcome=unreachable"
        assert rig.activity.failed_attempts == 1


PRICED = {"input_usd_per_million": 0, "output_usd_per_million": 100}
"""30 tokens, as the questions here allow, are $0.003."""


async def test_who_may_cost_more_than_the_request_allows_is_not_asked() -> None:
    async with house("other", backend=PRICED, routing={"max_usd_per_request": 0.01}) as rig:
        rig.set_target(**BOOTING)
        assert (await rig.ask()).models == {"other-model"}
        said = await rig.ask(max_tokens=101)
        assert said.status == 503
        assert said.error.endswith(" other may cost $0.0101, over the limit of $0.01.")
        lowered, raised = ({"X-Podman-LLM-Max-USD": usd} for usd in ("0.002", "5"))
        assert (await rig.ask(headers=lowered)).error.endswith("over the limit of $0.002.")
        assert (await rig.ask(headers=raised, max_tokens=101)).status == 503
        assert len(rig.services["other"].requests) == 1
        bad = await rig.ask(headers={"X-Podman-LLM-Max-USD": "much"})
        assert (bad.status, bad.document["error"]["param"]) == (400, "X-Podman-LLM-Max-USD")
        rig.set_target(url=rig.pod.url)
        free = await rig.ask(headers={"X-Podman-LLM-Max-USD": "0"}, max_tokens=101)
        assert free.models == {POD_MODEL}


async def test_requests_that_may_cost_differently_share_no_call() -> None:
    async with house("other", backend=PRICED) as rig:
        rig.set_target(**BOOTING)
        rig.services["other"].add_fault(Fault(FaultKind.DELAY, seconds=0.3))
        asking = asyncio.create_task(rig.ask(seed=1))
        await rig.services["other"].wait_until(lambda: bool(rig.services["other"].requests))
        assert (await rig.ask(seed=1, headers={"X-Podman-LLM-Max-USD": "0"})).status == 503
        assert (await asking).models == {"other-model"}


async def test_who_has_no_price_is_not_asked_under_a_ceiling() -> None:
    async with house("other", routing={"max_usd_per_request": 1}) as rig:
        rig.set_target(**BOOTING)
        assert "set its input_usd_per_million, output_usd_per_million" in (await rig.ask()).error
        assert not rig.services["other"].requests


async def test_one_ceiling_holds_for_all_attempts_together() -> None:
    ceiling = {"max_usd_per_request": 0.005}
    async with house("first", "second", backend=PRICED, routing=ceiling) as rig:
        rig.set_target(**BOOTING)
        first, second = rig.services.values()
        first.add_fault(Fault(FaultKind.TRUNCATE))
        said = await rig.ask()
        told = "second may cost $0.003 after $0.003 before it, over the limit of $0.005."
        assert said.status == 503
        assert told in said.error
        assert not second.requests
        first.add_fault(Fault(FaultKind.STATUS, status=429))
        assert (await rig.ask()).models == {"second-model"}  # a refusal costs nothing
        await first.kill()
        assert (await rig.ask()).models == {"second-model"}  # nor does who is not there


async def test_a_fallbacks_answer_is_kept_under_its_own_name_and_not_for_long() -> None:
    async with house("other", settings={}) as rig:
        rig.set_target(**BOOTING)
        first, again = await rig.ask(seed=1), await rig.ask(seed=1)
        assert (first.headers["X-Cache"], again.headers["X-Cache"]) == ("MISS", "HIT")
        assert again.headers["X-Served-By"] == "other/other-model"
        assert again.headers["Age"] == "0"
        assert (rig.activity.hits, rig.activity.misses) == (1, 1)
        rig.clock.advance(3601)
        assert (await rig.ask(seed=1)).headers["X-Cache"] == "MISS"
        rig.set_target(url=rig.pod.url)
        pods = await rig.ask(seed=1)
        assert (pods.headers["X-Cache"], pods.models) == ("MISS", {POD_MODEL})
        rig.set_target(**BOOTING)
        assert (await rig.ask(seed=1)).models == {POD_MODEL}  # kept of the pod, and better


async def test_one_who_wants_the_pod_alone_gets_it_or_its_failure() -> None:
    async with house("other") as rig:
        fail = {"X-Podman-LLM-Policy": "fail"}
        rig.break_pod(FaultKind.STATUS, status=500)
        assert (await rig.ask(headers=fail)).status == 500
        rig.set_target(**BOOTING)
        said = await rig.ask(headers=fail)
        assert said.status == 503
        assert "the policy is fail" in said.error
        assert not rig.services["other"].requests
        bad = await rig.ask(headers={"X-Podman-LLM-Policy": "wait"})
        assert (bad.status, bad.document["error"]["param"]) == (400, "X-Podman-LLM-Policy")


async def test_after_an_outage_a_probe_goes_first_and_good_calls_bring_the_rest_back() -> None:
    async with house("other") as rig:
        port = rig.pod.port
        await rig.pod.kill()
        assert (await rig.ask()).models == {"other-model"}
        assert rig.activity.snapshot().circuits["pod"] == "OPEN"
        await rig.pod.start(port=port)
        assert (await rig.ask()).models == {"other-model"}  # still shut
        rig.clock.advance(6)
        assert (await rig.ask()).models == {"other-model"}  # sends the probe ahead
        await rig.pod.wait_until(lambda: bool(rig.pod.requests))
        assert rig.pod.requests[0].path == "/v1/models"
        async with asyncio.timeout(5):
            while rig.activity.snapshot().circuits["pod"] != "HALF_OPEN":  # noqa: ASYNC110 - it says so to nobody
                await asyncio.sleep(0.01)
        assert (await rig.ask()).models == {POD_MODEL}
        assert rig.activity.snapshot().circuits["pod"] == "CLOSED"


async def test_a_conversation_stays_where_it_is_until_the_pod_has_proved_itself() -> None:
    async with house("other", routing={"good_calls": 3}) as rig:
        mine = {"x-session-id": "ses_1"}
        rig.set_target(**BOOTING)
        await rig.ask(headers=mine)
        rig.set_target(url=rig.pod.url)
        assert (await rig.ask(headers=mine)).models == {"other-model"}
        assert (await rig.ask()).models == {POD_MODEL}
        assert (await rig.ask(headers=mine)).models == {"other-model"}
        rig.clock.advance(31)
        assert (await rig.ask(headers=mine)).models == {POD_MODEL}


async def test_while_one_tries_the_pod_the_others_go_elsewhere() -> None:
    async with house("other") as rig:
        rig.set_target(**BOOTING)
        await rig.ask()
        rig.set_target(url=rig.pod.url)
        rig.break_pod(FaultKind.DELAY, seconds=0.3)
        trying = asyncio.create_task(rig.ask())
        await rig.pod.wait_until(lambda: bool(rig.pod.requests))
        assert (await rig.ask()).models == {"other-model"}
        assert (await trying).models == {POD_MODEL}


async def test_a_pod_that_ends_by_plan_opens_no_circuit() -> None:
    async with house("other") as rig:
        rig.break_pod(FaultKind.FREEZE, after_events=AFTER)
        asking = asyncio.create_task(rig.ask(stream=True))
        await rig.pod.wait_until(lambda: rig.pod.running == 1)
        rig.set_target(url=None, pod_state="DRAINING", message="The pod is DRAINING.")
        await rig.pod.kill()
        assert (await asking).is_aborted or (await asking).is_whole
        assert rig.activity.snapshot().circuits["pod"] == "CLOSED"


async def test_a_client_that_leaves_says_nothing_of_the_pod() -> None:
    async with house("other") as rig:
        for _ in range(4):
            rig.break_pod(FaultKind.FREEZE, after_events=BEFORE)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await rig.ask(stream=True)
        assert rig.activity.snapshot().circuits["pod"] == "CLOSED"


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What the log says of requests."""
    return [vars(one) for one in caplog.records if one.message == "request.answered"]


async def test_the_log_and_the_numbers_tell_whose_answer_it_was_and_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with house("other") as rig:
        await rig.ask(seed=1)
        await rig.ask(seed=1)
        assert not lines(caplog)  # the pod's, and kept: as always
        rig.set_target(**BOOTING)
        said = await rig.ask(stream=True, headers={"X-Request-Id": "mine"})
        [line] = lines(caplog)
        assert (line["request_id"], line["method"], line["path"]) == ("mine", "POST", CHAT)
        assert (line["status"], line["cache"]) == (200, "MISS")
        assert line["served_by"] == said.headers["X-Served-By"] == "other/other-model"
        assert line["attempts"] == said.headers["X-Attempts"]
        assert line["why"] == said.headers["X-Fallback-Reason"]
        assert 0 <= line["seconds"] < 10
        await rig.services["other"].kill()
        refused = await rig.ask()
        line = lines(caplog)[-1]
        assert (line["status"], line["served_by"]) == (503, "podman-llm")
        assert line["attempts"] == refused.headers["X-Attempts"]
        assert refused.error == f"podman-llm: {line['why']}"
        detour = rig.activity.snapshot().detour
        assert detour is not None
        assert (detour.status, detour.why) == (503, line["why"])


async def test_the_log_may_have_a_line_for_each_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    settings = {"proxy": {"access_log": True, "linger_seconds": 0}}
    async with house("other", settings=settings) as rig:
        await rig.ask(seed=1)
        await rig.ask(seed=1)
        assert [(line["cache"], line["status"]) for line in lines(caplog)] == [
            ("MISS", 200),
            ("HIT", 200),
        ]
        assert "why" not in lines(caplog)[0]
        rig.break_pod(FaultKind.FREEZE)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await rig.ask(stream=True)
        async with asyncio.timeout(5):
            while len(lines(caplog)) < 3:  # noqa: ASYNC110 - a log line is no event
                await asyncio.sleep(0.01)
        assert lines(caplog)[-1]["status"] == 499
        assert rig.activity.snapshot().detour is None


async def test_a_question_to_nobody_counts_for_no_numbers() -> None:
    async with proxy(says(http(ANSWER)), target={"url": None}) as rig:
        await rig.ask({"messages": []})
        assert rig.activity.snapshot().requests == 0
