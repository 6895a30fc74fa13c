"""Every recorded answer of vLLM that the proxy can meet passes through unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.testing.transcripts import load_transcript, transcript_names
from tests.proxy.rig import proxy, says

FOLDER = Path(__file__).parent.parent / "recordings" / "vllm"

OURS = {
    "health": "we answer for ourselves",
    "health_head": "we answer for ourselves",
    "metrics": "we answer for ourselves",
    "root_404": "the root is no route of the API; it is passed as a path below /v1",
    "options_chat": "a foreign origin is refused before the upstream",
    "err_chunked_bad_host": "HTTP/1.1 without Host is refused before the upstream",
    "err_invalid_json": "what is no JSON is refused before the upstream",
    "err_invalid_utf8": "what is no JSON is refused before the upstream",
    "err_empty_body": "what is no JSON is refused before the upstream",
    "err_content_type_none": "any page may send it, so it is refused before the upstream",
    "err_content_type_text": "any page may send it, so it is refused before the upstream",
}
# The file's paths were shortened after the recording, so its length is not that of its body.
SHORTENED = {"models"}
FRAMING = {"transfer-encoding", "connection", "content-length", "server", "date"}
PASSED = sorted(set(transcript_names(FOLDER)) - set(OURS))


def test_every_exception_is_a_recording() -> None:
    assert set(OURS) <= set(transcript_names(FOLDER))


@pytest.mark.parametrize("name", PASSED)
async def test_a_recorded_answer_passes_unchanged(name: str) -> None:
    recorded = load_transcript(FOLDER, name)
    raw = (FOLDER / f"{name}.response.raw").read_bytes()
    if name in SHORTENED:
        length = recorded.response.header("content-length")
        raw = raw.replace(
            f"content-length: {length}".encode(),
            f"content-length: {len(recorded.response.body)}".encode(),
        )
    async with proxy(says(raw)) as rig:
        passed = await rig.raw(recorded.request)
        [turn] = rig.upstream.turns
    assert turn.request.method == recorded.request.method
    assert turn.request.path == recorded.request.path
    assert turn.request.body == recorded.request.body
    assert turn.request.header("accept-encoding") == "identity"
    assert passed.complete
    assert passed.status == recorded.response.status
    assert passed.body == recorded.response.body
    kept = {key.lower(): value for key, value in passed.headers}
    for key, value in recorded.response.headers:
        if key.lower() not in FRAMING | {"x-request-id"}:
            assert kept[key.lower()] == value
    assert {"x-request-id", "x-cache", "x-served-by", "x-pod-state"} <= kept.keys()


# Agents ask again when they get nothing, and must not get the same nothing for ever.
EMPTY = {"chat_stop_string", "chat_stop_token_ids"}
# They ran out of tokens, and say of themselves that they are incomplete.
INCOMPLETE = {"responses", "responses_stream"}
KEPT = [
    name
    for name in sorted(set(PASSED) - EMPTY - INCOMPLETE)
    if load_transcript(FOLDER, name).response.status == 200
    and load_transcript(FOLDER, name).request.path.startswith("/v1/")
    and load_transcript(FOLDER, name).request.method == "POST"
]


@pytest.mark.parametrize("name", KEPT)
async def test_a_recorded_answer_is_a_hit_event_for_event_the_second_time(name: str) -> None:
    recorded = load_transcript(FOLDER, name)
    raw = (FOLDER / f"{name}.response.raw").read_bytes()
    async with proxy(says(raw)) as rig:
        first = await rig.raw(recorded.request)
        second = await rig.raw(recorded.request)
        assert len(rig.upstream.turns) == 1
    assert (first.header("X-Cache"), second.header("X-Cache")) == ("MISS", "HIT")
    assert second.body == first.body == recorded.response.body
    assert second.header("content-type") == first.header("content-type")


@pytest.mark.parametrize("name", sorted(INCOMPLETE))
async def test_a_recorded_answer_that_ran_out_of_tokens_is_whole_and_not_kept(name: str) -> None:
    recorded = load_transcript(FOLDER, name)
    async with proxy(says((FOLDER / f"{name}.response.raw").read_bytes())) as rig:
        for _ in range(2):
            passed = await rig.raw(recorded.request)
            assert passed.complete
            assert (passed.status, passed.header("X-Cache")) == (200, "MISS")
        assert len(rig.upstream.turns) == 2


@pytest.mark.parametrize(
    "name",
    [
        "scenario-sigterm-inflight",
        "scenario-enginecore-sigkill-inflight",
        "scenario-worker-sigkill-inflight",
    ],
)
async def test_a_recorded_death_never_looks_like_an_answer(name: str) -> None:
    raw = (FOLDER / f"{name}.raw").read_bytes()
    request = load_transcript(FOLDER, "stream").request
    async with proxy(says(raw)) as rig:
        passed = await rig.raw(request)
        assert passed.status == 502
        assert passed.header("content-type") == "application/json"
        assert b"[DONE]" not in passed.body
        assert rig.cache
        assert (await rig.cache.stats()).entries == 0
