from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from io import BytesIO

import pytest

from podman_llm.testing.transcripts import RecordedRequest
from tests.proxy.failover_rig import BOOTING, house
from tests.proxy.rig import ANSWER, CHAT, http, proxy, says

GZIP = {"Content-Encoding": "gzip"}
JSON = {"Content-Type": "application/json"}
MODELS = b'{"object":"list","data":[]}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"messages":', id="cut"),
        pytest.param(b"hello", id="text"),
        pytest.param(b'{"a":"\xff"}', id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="nested too deeply"),
        pytest.param(b'{"a":1}' + b" " * 1_000_000 + b"x", id="large"),
    ],
)
async def test_what_is_no_json_is_refused_in_openai_shape(body: bytes) -> None:
    async with proxy(says(http(ANSWER))) as rig:
        refused = await rig.ask(data=body, headers=JSON)
        assert refused.status == 400
        error = json.loads(refused.body)["error"]
        assert error["type"] == "invalid_request_error"
        assert error["message"].startswith("podman-llm: ")
        assert error.keys() == {"message", "type", "param", "code"}
        assert not rig.upstream.turns


async def test_a_compressed_body_goes_on_as_what_it_is() -> None:
    asked = b'{"messages":[]}'
    async with proxy(says(http(ANSWER))) as rig:
        answer = await rig.ask(data=gzip.compress(asked), headers=JSON | GZIP)
        assert answer.status == 200
        request = rig.upstream.turns[0].request
        assert (request.body, request.header("content-encoding")) == (asked, None)
        refused = await rig.ask(data=asked, headers=JSON | GZIP)
        assert refused.status == 400
        assert json.loads(refused.body)["error"]["code"] == "bad_body"


@pytest.mark.parametrize("body", [b"[1]", b'"text"', b"null", b'{"messages": 7, "stream": "x"}'])
async def test_json_of_the_wrong_kind_is_left_to_the_upstream(body: bytes) -> None:
    theirs = http(b'{"error":{"message":"theirs"}}', status="400 Bad Request")
    async with proxy(says(theirs)) as rig:
        answer = await rig.ask(data=body, headers=JSON)
        assert (answer.status, answer.body) == (400, b'{"error":{"message":"theirs"}}')
        assert rig.upstream.turns[0].request.body == body


async def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    async with proxy(says(), settings={"proxy": {"max_body_bytes": 2000}}) as rig:
        request = RecordedRequest(
            "POST",
            CHAT,
            "HTTP/1.1",
            (("Host", "localhost"), *JSON.items(), ("Content-Length", "2001")),
            b"",
        )
        refused = await rig.raw(request)
        assert refused.status == 413
        error = json.loads(refused.body)["error"]
        assert error["code"] == "request_too_large"
        assert "proxy.max_body_bytes" in error["message"]


async def test_a_chunked_body_over_the_limit_is_refused() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 500

    async with proxy(says(), settings={"proxy": {"max_body_bytes": 2000}}) as rig:
        assert (await rig.ask(data=pieces(), headers=JSON)).status == 413
        assert not rig.upstream.turns


async def test_a_body_of_twenty_megabytes_arrives_whole_and_is_kept() -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "x" * 20_000_000}]}).encode()
    async with proxy(says(http(ANSWER))) as rig:
        first = await rig.ask(data=BytesIO(body), headers=JSON)
        again = await rig.ask(data=BytesIO(body), headers=JSON)
        assert (first.status, first.cache, again.cache) == (200, "MISS", "HIT")
        assert [turn.request.body == body for turn in rig.upstream.turns] == [True]


async def test_the_bytes_of_the_body_are_not_touched() -> None:
    body = b'{ "zeta":1.0,  "messages":[],"caf\\u00e9":"\xc3\xa9", "extra":{"b":1,"a":2} }'
    async with proxy(says(http(ANSWER))) as rig:
        await rig.ask(data=body, headers=JSON)
        assert rig.upstream.turns[0].request.body == body


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/nocache/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("/messages?beta=true", "/v1/messages?beta=true"),
        ("/v1/a%2Fb/c?d=%20e&f", "/v1/a%2Fb/c?d=%20e&f"),
        ("/tokenize", "/tokenize"),
    ],
)
async def test_every_base_leads_to_the_same_route(asked: str, got: str) -> None:
    async with proxy(says(http(b"{}", status="404 Not Found"))) as rig:
        headers = (("Host", "localhost"), *JSON.items(), ("Content-Length", "2"))
        answer = await rig.raw(RecordedRequest("POST", asked, "HTTP/1.1", headers, b"{}"))
        assert answer.status == 404
        assert rig.upstream.turns[0].request.path == got


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_other_methods_and_paths_pass(method: str) -> None:
    async with proxy(says(http(b'{"id":1}', status="202 Accepted"))) as rig:
        answer = await rig.ask(path="/v1/responses/resp_1/cancel", method=method)
        assert (answer.status, answer.body, answer.cache) == (202, b'{"id":1}', "BYPASS")
        assert rig.upstream.turns[0].request.method == method


async def test_head_passes_with_its_headers_and_no_body() -> None:
    async with proxy(says(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\n")) as rig:
        answer = await rig.ask(path="/v1/files/1/content", method="HEAD")
        assert (answer.status, answer.body, answer.headers["x-a"]) == (200, b"", "b")


async def test_models_are_the_pods_own_once_it_is_ready() -> None:
    async with proxy(says(http(MODELS)), target={"served_names": ("m",)}) as rig:
        for path in ("/v1/models", "/models", "/nocache/v1/models"):
            answer = await rig.ask(path=path, method="GET")
            assert (answer.body, answer.cache) == (MODELS, "BYPASS")
        assert len(rig.upstream.turns) == 3


async def test_models_are_known_while_the_pod_boots() -> None:
    waiting = {"url": None, "served_names": ("qwen", "default"), "pod_state": "BOOTING"}
    async with proxy(says(), target=waiting) as rig:
        answer = await rig.ask(path="/v1/models", method="GET")
        assert [model["id"] for model in json.loads(answer.body)["data"]] == ["qwen", "default"]
        assert answer.headers["X-Served-By"] == "podman-llm"
        assert (await rig.ask(path="/v1/models/qwen", method="GET")).status == 503


async def test_while_the_pod_is_away_the_names_are_those_that_fallbacks_answer_to() -> None:
    models = {"big": "other-model", "*": "other-model"}
    async with house("other", backend={"models": models}) as rig:
        rig.set_target(**BOOTING, served_names=("pod-name",))
        async with rig.session.get(f"{rig.url}/v1/models") as response:
            names = [model["id"] for model in (await response.json())["data"]]
        assert names == ["pod-name", "big", "podman-llm"]


@pytest.mark.parametrize("state", ["NONE", "UNKNOWN", "DONE", "STOPPING"])
async def test_models_are_known_whatever_the_pod_does(state: str) -> None:
    away = {"url": None, "pod_state": state}
    async with proxy(says(), settings={"modelStoreId": "qwen"}, target=away) as rig:
        answer = await rig.ask(path="/v1/models", method="GET")
        names = [model["id"] for model in json.loads(answer.body)["data"]]
        assert (answer.status, names) == (200, ["qwen", "podman-llm"])


async def test_models_are_known_while_a_pod_that_serves_cannot_tell() -> None:
    broken = says(http(b"oh no", status="500 Internal Server Error"))
    dead = {"url": "http://127.0.0.1:1", "served_names": ("qwen",)}
    async with proxy(broken, target=dead) as rig:
        answer = await rig.ask(path="/v1/models", method="GET")
        assert (answer.status, b"qwen" in answer.body) == (200, True)
        rig.set_target(served_names=())
        assert (await rig.ask(path="/v1/models", method="GET")).status >= 500
