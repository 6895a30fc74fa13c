from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from podman_llm.testing.openai_faults import Fault, FaultKind
from tests.proxy.failover_rig import BOOTING as COMING
from tests.proxy.failover_rig import POD_MODEL, House, house
from tests.proxy.rig import (
    ANSWER,
    DONE,
    EVENTS,
    STREAM,
    STREAM_END,
    STREAM_HEAD,
    Turn,
    chunk,
    http,
    proxy,
    says,
)

STAND_IN = {"cache": {"ttl_seconds": 3600, "stale_if_error": True}}
ASK = {"messages": [{"role": "user", "content": "hi"}]}
POD = {"api_key": "pllm-pod", "served_by": "pod/abc", "pod_state": "READY"}
BOOTING = {
    "url": None,
    "pod_state": "BOOTING",
    "message": "The pod is BOOTING (model not answering yet), 41 s so far; try again in 5 s.",
}


async def test_the_same_question_is_answered_once() -> None:
    async with proxy(says(http(ANSWER)), target=POD) as rig:
        first, again = await rig.ask(ASK), await rig.ask(ASK)
        assert (first.cache, again.cache) == ("MISS", "HIT")
        assert first.body == again.body == ANSWER
        assert again.headers["X-Served-By"] == "pod/abc"
        assert (first.headers.get("Age"), again.headers["Age"]) == (None, "0")
        assert len(rig.upstream.turns) == 1


async def test_age_is_that_of_the_answer() -> None:
    async with proxy(says(http(ANSWER))) as rig:
        await rig.ask(ASK)
        rig.clock.advance(61.7)
        assert (await rig.ask(ASK)).headers["Age"] == "61"


@pytest.mark.parametrize(
    ("path", "headers", "word", "asked_of_upstream"),
    [
        ("/v1/chat/completions", {}, "HIT", 1),
        ("/v1/chat/completions", {"Cache-Control": "no-cache"}, "BYPASS", 2),
        ("/v1/chat/completions", {"Cache-Control": "no-store"}, "BYPASS", 2),
        ("/v1/chat/completions", {"Cache-Control": "max-age=0"}, "MISS", 2),
        ("/v1/chat/completions", {"Cache-Control": "max-age=60"}, "HIT", 1),
        ("/nocache/v1/chat/completions", {}, "BYPASS", 2),
        ("/nocache/chat/completions", {}, "BYPASS", 2),
    ],
)
async def test_who_asks_decides_whether_the_cache_answers(
    path: str, headers: dict[str, str], word: str, asked_of_upstream: int
) -> None:
    async with proxy(says(http(ANSWER))) as rig:
        await rig.ask(ASK)
        assert (await rig.ask(ASK, path=path, headers=headers)).cache == word
        assert len(rig.upstream.turns) == asked_of_upstream


@pytest.mark.parametrize(
    ("path", "headers", "word"),
    [
        ("/v1/chat/completions", {"Cache-Control": "no-cache"}, "HIT"),
        ("/v1/chat/completions", {"Cache-Control": "no-store"}, "MISS"),
        ("/nocache/v1/chat/completions", {}, "MISS"),
    ],
)
async def test_who_asks_decides_whether_the_answer_is_kept(
    path: str, headers: dict[str, str], word: str
) -> None:
    async with proxy(says(http(ANSWER))) as rig:
        await rig.ask(ASK, path=path, headers=headers)
        assert (await rig.ask(ASK)).cache == word


async def test_only_if_cached_never_reaches_the_upstream() -> None:
    async with proxy(says(http(ANSWER))) as rig:
        only = {"Cache-Control": "only-if-cached"}
        refused = await rig.ask(ASK, headers=only)
        assert (refused.status, refused.cache) == (504, "MISS")
        assert json.loads(refused.body)["error"]["code"] == "not_cached"
        assert not rig.upstream.turns
        await rig.ask(ASK)
        assert (await rig.ask(ASK, headers=only)).body == ANSWER


async def test_without_a_ready_pod_the_answer_says_what_it_is_doing() -> None:
    async with proxy(says(), target=BOOTING) as rig:
        refused = await rig.ask(ASK | {"stream": True})
        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        assert refused.headers["X-Pod-State"] == "BOOTING"
        assert refused.headers["Content-Type"] == "application/json"
        error = json.loads(refused.body)["error"]
        assert error["message"] == f"podman-llm: {BOOTING['message']}"
        assert error["code"] == "pod_not_ready"


async def test_without_a_ready_pod_the_cache_still_answers() -> None:
    async with proxy(says(http(ANSWER))) as rig:
        await rig.ask(ASK)
        rig.set_target(**BOOTING)
        assert (await rig.ask(ASK)).cache == "HIT"
        assert (await rig.ask({"messages": []})).status == 503


async def test_other_weights_are_another_answer() -> None:
    async with proxy(says(http(ANSWER))) as rig:
        await rig.ask(ASK)
        rig.set_target(model_tag="other@main")
        assert (await rig.ask(ASK)).cache == "MISS"


async def test_unknown_weights_are_never_looked_up() -> None:
    async with proxy(says(http(ANSWER)), target={"model_tag": ""}) as rig:
        assert [(await rig.ask(ASK)).cache for _ in range(2)] == ["BYPASS", "BYPASS"]


async def test_without_a_cache_every_answer_is_the_upstreams() -> None:
    async with proxy(says(http(ANSWER)), cached=False) as rig:
        assert [(await rig.ask(ASK)).cache for _ in range(2)] == ["BYPASS", "BYPASS"]


@pytest.mark.parametrize(
    ("key", "sent", "got"),
    [
        ("pllm-pod", {"Authorization": "Bearer sk-mine", "x-api-key": "sk"}, "Bearer pllm-pod"),
        ("pllm-pod", {}, "Bearer pllm-pod"),
        (None, {"Authorization": "Bearer sk-mine"}, "Bearer sk-mine"),
        (None, {}, None),
    ],
)
async def test_the_pods_key_replaces_the_clients(
    key: str | None, sent: dict[str, str], got: str | None
) -> None:
    async with proxy(says(http(ANSWER)), target={"api_key": key}) as rig:
        await rig.ask(ASK, headers=sent)
        request = rig.upstream.turns[0].request
        assert request.header("authorization") == got
        assert request.header("x-api-key") is None


async def test_only_the_clients_own_headers_go_to_the_upstream() -> None:
    sent = {"X-Stainless-Lang": "js", "Cookie": "a=b", "Referer": "http://x", "TE": "trailers"}
    async with proxy(says(http(ANSWER))) as rig:
        await rig.ask(ASK, headers=sent | {"Accept-Encoding": "br, zstd"})
        request = rig.upstream.turns[0].request
        assert request.header("x-stainless-lang") == "js"
        assert request.header("user-agent") == "podman-llm"
        assert request.header("accept-encoding") == "identity"
        for name in ("cookie", "referer", "te"):
            assert request.header(name) is None


async def test_an_upstreams_claims_on_its_own_origin_stay_away_from_ours() -> None:
    answer = http(ANSWER).replace(
        b"\r\n\r\n",
        b"\r\nSet-Cookie: __cf=1\r\nStrict-Transport-Security: max-age=9\r\nx-kept: 1\r\n\r\n",
        1,
    )
    async with proxy(says(answer)) as rig:
        headers = (await rig.ask(ASK)).headers
        assert headers["x-kept"] == "1"
        assert not {"Set-Cookie", "Strict-Transport-Security"} & headers.keys()


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "401 Unauthorized", "500 Broken", "429 Slow"]
)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_upstreams_error_is_passed_verbatim_and_not_kept(
    status: str, stream: bool
) -> None:
    theirs = http(b"<html>theirs", status=status, kind="text/html").replace(
        b"\r\n", b"\r\nretry-after: 17\r\n", 1
    )
    async with proxy(says(theirs), target=POD) as rig:
        for _ in range(2):
            answer = await rig.ask(ASK | {"stream": stream})
            assert (answer.status, answer.body) == (int(status[:3]), b"<html>theirs")
            assert answer.headers["Content-Type"] == "text/html"
            assert answer.headers["Retry-After"] == "17"
            assert answer.headers["X-Served-By"] == "pod/abc"
        assert len(rig.upstream.turns) == 2


@pytest.mark.parametrize("reason", ["abort", "error", None])
async def test_an_answer_that_was_not_finished_is_a_502(reason: str | None) -> None:
    body = json.loads(ANSWER)
    body["choices"][0]["finish_reason"] = reason
    async with proxy(says(http(json.dumps(body).encode())), target=POD) as rig:
        answer = await rig.ask(ASK)
        assert (answer.status, answer.headers["Retry-After"]) == (502, "2")
        assert json.loads(answer.body)["error"]["message"].startswith("podman-llm: pod/abc: ")
        assert answer.headers["X-Served-By"] == "podman-llm"
        assert rig.activity.errors == 1


async def test_a_response_that_runs_in_the_background_is_passed_and_not_kept() -> None:
    queued = b'{"id":"resp_1","status":"queued","output":[]}'
    async with proxy(says(http(queued))) as rig:
        for _ in range(2):
            answer = await rig.ask({"input": "x", "background": True}, path="/v1/responses")
            assert (answer.status, answer.body, answer.cache) == (200, queued, "MISS")


async def test_a_body_that_is_cut_is_a_502() -> None:
    async def cut(turn: Turn) -> None:
        await turn.send(http(ANSWER)[:-5])
        turn.close()

    async with proxy(cut) as rig:
        assert (await rig.ask(ASK)).status == 502


async def test_nobody_there_is_a_502_that_names_the_pod() -> None:
    async with proxy(says(), target=POD | {"url": "http://127.0.0.1:1"}) as rig:
        answer = await rig.ask(ASK | {"stream": True})
        assert (answer.status, answer.headers["Retry-After"]) == (502, "2")
        message = json.loads(answer.body)["error"]["message"]
        assert message.startswith("podman-llm: pod/abc: http://127.0.0.1:1 cannot be reached")
        assert "pllm-pod" not in message


async def test_silence_is_a_504() -> None:
    async def silent(turn: Turn) -> None:
        await turn.gone.wait()

    async with proxy(silent, idle_timeout=0.05) as rig:
        assert (await rig.ask(ASK)).status == 504


async def test_streams_and_bodies_are_kept_apart() -> None:
    async def as_asked(turn: Turn) -> None:
        await turn.send(STREAM if b'"stream": true' in turn.request.body else http(ANSWER))

    async with proxy(as_asked) as rig:
        for _ in range(2):
            assert (await rig.ask(ASK)).body == ANSWER
            assert (await rig.ask(ASK | {"stream": True})).body == b"".join(EVENTS)
        assert len(rig.upstream.turns) == 2


async def test_a_large_answer_is_relayed_and_not_kept() -> None:
    settings = {"cache": {"max_entry_bytes": 1024}}
    large = json.loads(ANSWER) | {"padding": "x" * 2000}
    async with proxy(says(http(json.dumps(large).encode())), settings=settings) as rig:
        for _ in range(2):
            answer = await rig.ask(ASK)
            assert (answer.cache, json.loads(answer.body)) == ("MISS", large)


async def test_an_unknown_path_streams_through() -> None:
    events = [b"event: x\ndata: abort\n\n", b": comment\n\n"]
    script = says(STREAM_HEAD, *map(chunk, events), STREAM_END)
    async with proxy(script) as rig:
        answer = await rig.ask({}, path="/v1/audio/speech")
        assert (answer.body, answer.cache) == (b"".join(events), "BYPASS")


@pytest.mark.parametrize(
    ("method", "path", "counted"),
    [
        ("POST", "/v1/chat/completions", True),
        ("POST", "/v1/rerank", True),
        ("GET", "/v1/models", False),
        ("GET", "/health", False),
    ],
)
async def test_only_use_of_the_pod_keeps_it_from_being_idle(
    method: str, path: str, counted: bool
) -> None:
    body: Any = ASK if method == "POST" else None
    async with proxy(says(http(ANSWER))) as rig:
        await rig.ask(body, path=path, method=method)
        assert (rig.activity.last_counted_at is not None) is counted
        rig.clock.advance(100)
        last = rig.activity.last_counted_at
        await rig.ask(body, path="/v1/chat/completions" if counted else path, method=method)
        if path == "/v1/chat/completions":
            assert rig.activity.last_counted_at == last  # a hit


async def test_a_running_stream_is_in_flight_until_its_last_byte() -> None:
    seen: list[int] = []

    async def watched(turn: Turn) -> None:
        seen.append(rig.activity.in_flight)
        await turn.send(STREAM_HEAD, *map(chunk, EVENTS[:-1]))
        seen.append(rig.activity.in_flight)
        await turn.send(chunk(DONE), STREAM_END)

    async with proxy(watched) as rig:
        await rig.ask(ASK | {"stream": True})
        assert seen == [1, 1]
        assert rig.activity.in_flight == 0
        assert (rig.activity.hits, rig.activity.misses, rig.activity.bypassed) == (0, 1, 0)


KEPT_ALIVE = b": keepalive\n\n"
HOLD = {"X-Podman-LLM-Policy": "hold"}
QUICK = {"quiet_seconds": 0.02, "keepalive_seconds": 0.02}


async def wait_and_boot(rig: House, seconds: float = 0.2) -> None:
    await asyncio.sleep(seconds)
    rig.set_target(url=rig.pod.url)


async def test_a_stream_is_kept_alive_until_the_pod_has_booted() -> None:
    async with house(routing=QUICK) as rig:
        rig.set_target(**COMING)
        booting = asyncio.create_task(wait_and_boot(rig))
        said = await rig.ask(stream=True, seed=1)
        await booting
        assert said.status == 200
        assert said.body.startswith(KEPT_ALIVE * 2)
        assert said.is_whole
        assert said.models == {POD_MODEL}
        again = await rig.ask(stream=True, seed=1)
        assert again.headers["X-Cache"] == "HIT"
        assert KEPT_ALIVE not in again.body


async def test_a_short_wait_shows_in_nothing_but_time() -> None:
    async with house() as rig:
        rig.set_target(**COMING)
        booting = asyncio.create_task(wait_and_boot(rig, 0.01))
        said = await rig.ask(stream=True)
        await booting
        assert said.body.startswith(b"data: ")
        assert said.headers["X-Served-By"] == "pod/abc"
        assert said.headers["X-Pod-State"] == "BOOTING"  # all the test's pod has become is ready


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"url": None, "is_coming": False, "message": "It ended."}, "pod_not_ready"), ({}, None)],
)
async def test_hope_that_is_lost_while_it_is_quiet_is_an_honest_error(
    changes: dict[str, Any], code: str | None
) -> None:
    async with house() as rig:
        rig.set_target(**COMING)
        asking = asyncio.create_task(rig.ask(stream=True, temperature="hot"))
        await asyncio.sleep(0.05)
        rig.set_target(**(changes or {"url": rig.pod.url}))
        said = await asking
        assert said.status == (503 if code else 400)
        assert said.document["error"]["code"] == code or code is None


@pytest.mark.parametrize("is_bad", [True, False])
async def test_what_comes_too_late_for_an_error_is_an_abort(is_bad: bool) -> None:
    async with house(routing={**QUICK, "hold_stream_seconds": 0.2}) as rig:
        rig.set_target(**COMING)
        more = {"temperature": "hot"} if is_bad else {}
        booting = asyncio.create_task(wait_and_boot(rig, 0.1 if is_bad else 10))
        said = await rig.ask(stream=True, **more)
        booting.cancel()
        assert said.status == 200
        assert said.is_aborted
        assert set(said.body.split(b"\n\n")) == {b": keepalive", b""}
        assert rig.activity.errors == 1


async def test_who_would_rather_wait_gets_a_fallback_only_when_waiting_was_in_vain() -> None:
    async with house("other", routing={**QUICK, "hold_stream_seconds": 0.1}) as rig:
        rig.set_target(**COMING)
        said = await rig.ask(stream=True, headers=HOLD)
        assert said.body.startswith(KEPT_ALIVE)
        assert said.is_whole
        assert said.models == {"other-model"}
        kept = await rig.ask(stream=True, seed=0, headers=HOLD)
        # How often it was kept alive is the clock's affair.
        assert kept.body.replace(KEPT_ALIVE, b"") == said.body.replace(KEPT_ALIVE, b"")
        assert len(rig.services["other"].requests) == 1


async def test_what_is_no_stream_waits_in_silence_and_not_for_long() -> None:
    async with house(routing={**QUICK, "hold_body_seconds": 0.2}) as rig:
        rig.set_target(**COMING)
        began = time.monotonic()
        said = await rig.ask(headers=HOLD)
        assert time.monotonic() - began > 0.19
        assert (said.status, said.headers["Retry-After"]) == (503, "5")
        booting = asyncio.create_task(wait_and_boot(rig, 0.05))
        assert (await rig.ask(headers=HOLD)).models == {POD_MODEL}
        await booting


async def test_a_chat_may_show_what_it_waits_for() -> None:
    async with house(routing={**QUICK, "show_loading": True}) as rig:
        rig.set_target(**COMING, served_names=("podman-llm",))
        booting = asyncio.create_task(wait_and_boot(rig))
        said = await rig.ask(stream=True)
        await booting
        first = json.loads(said.body.split(b"\n\n")[0].removeprefix(b"data: "))
        assert first["choices"][0]["delta"]["reasoning_content"] == f"{COMING['message']}\n"
        assert said.models == {"podman-llm", POD_MODEL}
        assert said.is_whole


async def test_a_client_that_stops_waiting_is_waited_for_by_nobody() -> None:
    async with house(routing=QUICK) as rig:
        rig.set_target(**COMING)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await rig.ask(stream=True)
        rig.set_target(url=rig.pod.url)
        assert (await rig.ask(stream=True)).is_whole
        assert len(rig.pod.requests) == 1


IN_NEED = {"Cache-Control": "stale-if-error"}
GONE = {"url": None, "pod_state": "NONE", "message": "There is no pod.", "is_coming": False}


async def kept_by(rig: House, *names: str) -> None:
    """Let each of them have answered the question with seed 1, an hour and a bit ago."""
    for name in names:
        others = [one for one in rig.services if one != name]
        for other in others:
            await rig.overrule(other, "open")
        said = await rig.ask(seed=1)
        assert said.headers["X-Cache"] == "MISS"
        for other in others:
            await rig.overrule(other, "close")
        rig.clock.advance(60)
    rig.clock.advance(3600)


async def test_a_fallbacks_old_answer_stands_in_when_everything_is_down() -> None:
    async with house("other") as rig:
        rig.set_target(**GONE)
        await kept_by(rig, "other")
        await rig.services["other"].kill()
        assert (await rig.ask(seed=1)).status == 503  # nobody allowed it
        said = await rig.ask(seed=1, headers=IN_NEED)
        assert (said.status, said.models) == (200, {"other-model"})
        assert (said.headers["X-Cache"], said.headers["Age"]) == ("STALE", "3660")
        assert said.headers["X-Served-By"] == "other/other-model"
        assert "There is no pod." in said.headers["X-Fallback-Reason"]
        assert rig.activity.snapshot().stale == 1
        alone = IN_NEED | {"X-Podman-LLM-Policy": "fail"}
        assert (await rig.ask(seed=1, headers=alone)).status == 503


async def test_of_several_old_answers_the_pods_stands_in_and_then_the_newest() -> None:
    async with house("first", "second", settings=STAND_IN) as rig:
        rig.set_target(**GONE)
        await kept_by(rig, "first", "second")
        for service in rig.services.values():
            await service.kill()
        said = await rig.ask(seed=1)
        assert (said.models, said.headers["X-Cache"]) == ({"second-model"}, "STALE")
        assert said.headers["X-Attempts"].count("outcome=unreachable") == 2
        rig.set_target(url=rig.pod.url)
        await rig.overrule("pod", "close")
        assert (await rig.ask(seed=1)).models == {POD_MODEL}
        rig.clock.advance(9999)
        rig.set_target(**GONE)
        said = await rig.ask(seed=1)
        assert (said.models, said.headers["X-Cache"]) == ({POD_MODEL}, "STALE")
        assert "X-Fallback-Reason" not in said.headers


async def test_an_answer_that_is_still_good_is_given_though_its_giver_is_left_alone() -> None:
    async with house("other") as rig:
        rig.set_target(**GONE)
        await rig.ask(seed=1)
        await rig.overrule("other", "open")
        said = await rig.ask(seed=1)
        assert (said.status, said.headers["X-Cache"]) == (200, "HIT")
        assert rig.activity.snapshot().requests == 2


async def test_what_a_request_waited_is_taken_from_its_time() -> None:
    routing = {"deadline_seconds": 1, "hold_body_seconds": 0.8}
    async with house("other", routing=routing) as rig:
        rig.set_target(**COMING)
        rig.services["other"].add_fault(Fault(FaultKind.DELAY, seconds=30))
        began = time.monotonic()
        said = await rig.ask(headers=HOLD)
        assert time.monotonic() - began < 1.6  # 0.8 and 1 are 1.8
        assert said.status == 503
        assert "other/other-model: no content within 0 s" in said.error


async def test_who_waited_all_its_time_is_told_that_none_is_left() -> None:
    async with house("other", routing={"deadline_seconds": 0.2}) as rig:
        rig.set_target(**COMING)
        said = await rig.ask(headers=HOLD)
        assert (said.status, said.document["error"]["code"]) == (503, "all_failed")
        assert said.error.endswith("other is not asked: no time is left.")
        assert not rig.services["other"].requests
