"""What every client makes of a failure: which are told, which tried again, how often and when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.testing.openai_faults import Fault, FaultKind
from tests.clients.conversation import Client
from tests.clients.stage import ABSENT, Play, Stage

# What opens an answer has no content and passes; with three events the first words have.
BEFORE, AFTER = 1, 3
RETRIES = 2
"""How often all of them try again by default."""


@dataclass(frozen=True)
class Trouble:
    """A fault of either upstream, and the status that the proxy makes of it.

    Beside the pod there is nobody; nor beside Bedrock, whose failures end in the error that tells
    of all attempts.
    """

    pod: Fault
    bedrock: BedrockFault
    pod_status: int
    bedrock_status: int

    def strike(self, play: Play) -> None:
        """Let it strike the next request."""
        if play.upstream == "pod":
            play.rig.pod.add_fault(self.pod)
        else:
            play.rig.bedrock.add_fault(self.bedrock)

    def status(self, play: Play) -> int:
        return self.pod_status if play.upstream == "pod" else self.bedrock_status


THROTTLED = Trouble(
    Fault(FaultKind.STATUS, status=429, retry_after=1),
    BedrockFault(BedrockFaultKind.EXCEPTION, retry_after=1),
    pod_status=429,
    bedrock_status=429,
)
OVERLOADED = Trouble(
    Fault(FaultKind.STATUS, status=503, retry_after=1),
    BedrockFault(BedrockFaultKind.EXCEPTION, name="ServiceUnavailableException", retry_after=1),
    pod_status=503,
    bedrock_status=503,
)


def breaks(name: str, after_events: int) -> Trouble:
    """An answer that breaks off; the statuses are those of one that has no content yet."""
    pod, bedrock = BREAKS[name]
    return Trouble(
        replace(pod, after_events=after_events),
        replace(bedrock, after_events=after_events),
        pod_status=502,
        bedrock_status=503,
    )


BREAKS = {
    "reset": (Fault(FaultKind.RESET), BedrockFault(BedrockFaultKind.RESET)),
    "cut": (Fault(FaultKind.TRUNCATE), BedrockFault(BedrockFaultKind.HALF_EVENT)),
    "error inside": (
        Fault(FaultKind.ENGINE_ERROR),
        BedrockFault(BedrockFaultKind.STREAM_EXCEPTION, name="ModelStreamErrorException"),
    ),
    "clean early end": (Fault(FaultKind.EARLY_END), BedrockFault(BedrockFaultKind.EARLY_END)),
}
CONNECTION_LOST = {
    "openai-python": "APIConnectionError",
    "openai-node": "TypeError",  # of fetch itself: "terminated"
    "langchain": "APIConnectionError",
}


@pytest.mark.parametrize("do", ["chat", "stream"])
@pytest.mark.parametrize("trouble", [THROTTLED, OVERLOADED], ids=["throttled", "overloaded"])
async def test_who_has_too_much_to_do_is_asked_again_when_it_said(
    trouble: Trouble, do: str, stage: Stage
) -> None:
    async with stage.play() as play:
        trouble.strike(play)
        report = await play.ask(do)
        assert report.saw["finish"] == "stop"
        assert play.statuses == [trouble.status(play), 200]
        assert report.seconds >= 1


async def test_without_a_pod_it_is_told_to_come_back_and_does(client: Client) -> None:
    async with Stage(client, "pod").play() as play:
        play.rig.set_target(**ABSENT)
        asking = asyncio.create_task(play.ask("chat"))
        await play.wait_until_answered()
        play.rig.set_target(url=play.rig.pod.url, pod_state="READY")
        report = await asking
        assert report.saw["finish"] == "stop"
        assert play.statuses == [503, 200]
        assert report.seconds >= 1


@pytest.mark.parametrize("do", ["chat", "stream"])
async def test_without_a_pod_that_could_come_its_user_reads_why_at_once(
    do: str, client: Client
) -> None:
    async with Stage(client, "pod").play() as play:
        play.rig.set_target(**ABSENT | {"is_over": True, "retry_after": 30})
        report = await play.ask(do)
        assert report.error["status"] == 503
        assert "There is no pod." in report.error["message"]
        assert play.statuses == [503]
        assert report.seconds < 20


async def test_what_does_not_pass_is_given_up_after_two_retries(stage: Stage) -> None:
    async with stage.play() as play:
        for _ in range(1 + RETRIES):
            THROTTLED.strike(play)
        report = await play.ask("stream")
        assert (report.error["name"], report.error["status"]) == ("RateLimitError", 429)
        assert play.statuses == [429] * (1 + RETRIES)


@pytest.mark.parametrize("name", BREAKS)
async def test_what_breaks_before_content_is_asked_again(name: str, stage: Stage) -> None:
    async with stage.play() as play:
        trouble = breaks(name, BEFORE)
        trouble.strike(play)
        report = await play.ask("stream")
        assert report.saw["finish"] == "stop"
        assert play.statuses == [trouble.status(play), 200]


@pytest.mark.parametrize("name", BREAKS)
async def test_what_breaks_after_content_is_an_error_and_never_an_answer(
    name: str, stage: Stage
) -> None:
    async with stage.play() as play:
        play.slow_down()
        breaks(name, AFTER).strike(play)
        report = await play.ask("stream")
        assert report.saw["text"]
        assert report.saw["finish"] is None
        assert report.error["name"] == CONNECTION_LOST[stage.client.name]
        assert play.statuses == [200]
        again = await play.ask("stream")
        assert again.saw["finish"] == "stop"
        assert play.cached == ["MISS", "MISS"]


async def test_a_question_too_long_is_refused_once_in_the_models_words(stage: Stage) -> None:
    too_long = BedrockFault(
        BedrockFaultKind.EXCEPTION,
        name="ValidationException",
        message="Input is too long for requested model.",
    )
    async with stage.play(pod={"max_model_len": 64}) as play:
        play.add_bedrock_fault(too_long)
        report = await play.ask("chat", question="word " * 100)
        assert (report.error["name"], report.error["status"]) == ("BadRequestError", 400)
        words = {"pod": "maximum context length is 64", "bedrock": "Input is too long"}
        assert words[play.upstream] in report.error["message"]
        assert play.statuses == [400]


async def test_a_model_that_the_pod_does_not_serve_is_told_once(client: Client) -> None:
    async with Stage(client, "pod").play() as play:
        report = await play.ask("chat", model="absent")
        assert (report.error["name"], report.error["status"]) == ("NotFoundError", 404)
        assert "`absent` does not exist" in report.error["message"]
        assert play.statuses == [404]


async def test_a_key_that_is_wrong_is_told_once(stage: Stage, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("sk-right\n")
    keys.chmod(0o600)
    async with stage.play(settings={"proxy": {"api_keys_file": str(keys)}}) as play:
        report = await play.ask("chat", api_key="sk-wrong")
        assert (report.error["name"], report.error["status"]) == ("AuthenticationError", 401)
        assert report.error["code"] == "bad_api_key"
        report = await play.ask("chat", api_key="sk-right")
        assert report.saw["finish"] == "stop"
        assert play.statuses == [401, 200]
