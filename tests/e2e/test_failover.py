"""A dead or booting pod as an editor meets it: real processes, Bedrock and OpenAI made up."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import jsonschema
import pytest

from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.testing.bedrock_server import BedrockDouble
from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_faults import Fault, FaultKind
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.server_thread import ServerThread
from tests.e2e.editor import Editor, Said, serving
from tests.e2e.machine import Machine, eventually, renting
from tests.e2e.model_server import ModelServer
from tests.e2e.others import CLAUDE, ON_BEDROCK, ON_OPENAI, OTHERS_KEY, Others

WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "weather", "strict": True, "schema": WEATHER},
}
RAIN = {"role": "user", "content": "Use the weather tool: will it rain?"}
NOBODY = "http://127.0.0.1:1"
LONG = 600
# The role, which is no content, passes; with so many events the first words have.
BEFORE, AFTER = 1, 4


@pytest.fixture
def others(machine: Machine) -> Iterator[Others]:
    with ExitStack() as stack:
        bedrock = stack.enter_context(ServerThread(BedrockDouble()))
        config = OpenAIDoubleConfig(served_names=("gpt-double",))
        openai = stack.enter_context(ServerThread(OpenAIDouble(config)))
        others = Others(bedrock, openai)
        machine.environment |= others.environment()
        yield others


def test_while_the_pod_boots_bedrock_answers_and_then_the_pod(
    machine: Machine, others: Others, editor: Editor
) -> None:
    fallback = {"backends": others.backends()}
    with renting(machine, load_seconds=LONG, fallback=fallback) as cloud:
        up = machine.start("up")
        eventually(editor.is_answered, what="an answer while the pod boots")
        for stream in (True, False):
            said = editor.ask(stream=stream)
            assert (said.is_whole, said.served_by) == (True, ON_BEDROCK)
            assert said.headers["X-Fallback-Reason"].startswith("The pod is ")
            assert_bedrock_calls_the_tool(editor, others, stream=stream)
            assert_bedrock_honours_the_schema(editor, others, stream=stream)
        cloud.post("clock", {"seconds": LONG})
        out, err = up.communicate(timeout=55)
        assert up.returncode == 0, f"{out}\n{err}"
        for stream in (True, False):
            assert editor.ask(stream=stream).served_by.startswith("pod/")
        eventually(lambda: machine.status()["fallback_answers"] >= 6, what="their count")
        log = (machine.state_dir / "logs" / "proxy.log").read_text()
        assert OTHERS_KEY not in log
        assert "Traceback" not in log
        machine.run("--shutdown")


def assert_bedrock_calls_the_tool(editor: Editor, others: Others, *, stream: bool) -> None:
    said = editor.ask(stream=stream, tools=[TOOL], messages=[RAIN])
    assert (said.is_whole, said.served_by) == (True, ON_BEDROCK)
    [call] = said.message["tool_calls"]
    assert (call["type"], call["function"]["name"]) == ("function", "get_weather")
    jsonschema.validate(json.loads(call["function"]["arguments"]), WEATHER)
    assert said.finish_reason == "tool_calls"
    asked = others.bedrock.server.requests[-1]
    assert asked.is_stream is stream
    [tool] = asked.body["toolConfig"]["tools"]
    assert tool["toolSpec"]["name"] == "get_weather"
    assert tool["toolSpec"]["inputSchema"] == {"json": WEATHER}


def assert_bedrock_honours_the_schema(editor: Editor, others: Others, *, stream: bool) -> None:
    said = editor.ask(stream=stream, response_format=SCHEMA, messages=[RAIN], max_tokens=500)
    assert (said.is_whole, said.served_by) == (True, ON_BEDROCK)
    jsonschema.validate(json.loads(said.message["content"]), WEATHER)
    assert said.finish_reason == "stop"
    asked = others.bedrock.server.requests[-1]
    assert asked.is_stream is stream
    wanted = asked.body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(wanted["schema"]) == WEATHER


@pytest.mark.parametrize("stream", [True, False])
def test_a_pod_killed_before_any_content_goes_unseen(
    machine: Machine, others: Others, editor: Editor, stream: bool
) -> None:
    fallback = {"backends": others.backends()}
    with ModelServer(machine) as pod, serving(machine, pod.url, fallback=fallback):
        with closing(editor.connect()) as connection:
            assert editor.ask_on(connection).rest().served_by.startswith("endpoint/")
            port = connection.sock.getsockname()
            # What was reset without a word on a used connection is asked once more on a new one.
            pod.order("reset", after_events=BEFORE, times=1 if stream else 2)
            reset = editor.ask_on(connection, stream=stream).rest()
            editor.close_circuit("pod")
            pod.order("freeze", after_events=BEFORE)
            answering = editor.ask_on(connection, stream=stream)
            pod.wait_until_running()
            pod.kill()
            killed = answering.rest()
            gone = editor.ask_on(connection, stream=stream).rest()
            assert connection.sock.getsockname() == port  # all of it came on one connection
        for said in (reset, killed, gone):
            assert (said.status, said.is_whole, said.served_by) == (200, True, ON_BEDROCK)
            assert said.headers["X-Fallback-Reason"]
            assert said.models == {CLAUDE}
        for said in (reset, killed):
            tried = rf"endpoint/[\d.:]+;outcome=(broke|unreachable), {ON_BEDROCK};outcome=answered"
            assert re.fullmatch(tried, said.headers["X-Attempts"])


def test_a_pod_killed_after_content_cuts_its_client_off_whose_retry_costs_nothing_more(
    machine: Machine, others: Others, editor: Editor
) -> None:
    pod = ModelServer(machine)
    with serving(machine, pod.url, fallback={"backends": others.backends()}):
        elsewhere = {"X-Podman-LLM-Policy": "fallback"}
        healthy = [editor.ask(stream=True, headers=elsewhere).seconds for _ in range(5)]
        retried = []
        for seed in (101, 102, 103):
            editor.close_circuit("pod")
            with pod:
                pod.order("freeze", after_events=AFTER)
                with editor.asking(stream=True, seed=seed) as answering:
                    answering.read_some(events=2)
                    pod.kill()
                    said = answering.rest()
            assert said.is_cut
            assert said.models == {"podman-llm"}
            assert b"[DONE]" not in said.body
            again = editor.ask(stream=True, seed=seed)
            assert (again.is_whole, again.served_by) == (True, ON_BEDROCK)
            assert again.models == {CLAUDE}
            retried.append(again.seconds)
        # The bound; the best of three, because a busy machine has pauses of its own.
        assert min(retried) - statistics.median(healthy) <= 0.05


def test_bedrock_throttled_gives_way_to_openai_and_shut_by_hand_to_nobody(
    machine: Machine, others: Others, editor: Editor
) -> None:
    with serving(machine, NOBODY, fallback={"backends": others.backends()}):
        throttled = BedrockFault(BedrockFaultKind.EXCEPTION, name="ThrottlingException", times=2)
        others.bedrock.server.add_fault(throttled)
        for stream in (True, False):
            said = editor.ask(stream=stream)
            assert (said.is_whole, said.served_by) == (True, ON_OPENAI)
            assert f"{ON_BEDROCK};outcome=overloaded" in said.headers["X-Attempts"]
        assert editor.ask().served_by == ON_BEDROCK
        for request in others.openai.server.requests:
            assert request.header("authorization") == f"Bearer {OTHERS_KEY}"

        shown = machine.run("breaker", "status", "--json")
        assert json.loads(shown.stdout)["pod"]["state"] == "OPEN"
        machine.run("breaker", "open", "bedrock")
        machine.run("breaker", "open", "openai")
        said = editor.ask()
        assert (said.status, said.served_by) == (503, "podman-llm")
        assert "openai is left alone for now: shut by hand." in said.error


@pytest.mark.parametrize("stream", [True, False])
def test_with_everything_down_the_error_names_each_and_an_old_answer_serves_who_takes_it(
    machine: Machine, others: Others, editor: Editor, stream: bool
) -> None:
    settings = {"fallback": {"backends": others.backends()}}
    with ModelServer(machine) as pod:
        with serving(machine, pod.url, cache={"ttl_seconds": 0.3}, **settings):
            old = editor.ask(stream=stream, seed=7)
            pod.kill()
            others.bedrock.call(others.bedrock.server.stop())
            others.openai.server.add_fault(Fault(FaultKind.STATUS, status=500, times=99))
            eventually(lambda: is_expired(editor, stream=stream, seed=7), what="its age")
            refused = editor.ask(stream=stream)
            assert refused.headers["X-Attempts"].count(";outcome=") == 3
            for said in (refused, editor.ask(stream=stream, seed=7)):
                assert_all_are_named(said)
            taken = {"Cache-Control": "stale-if-error=600"}
            assert_is_old(editor.ask(stream=stream, seed=7, headers=taken), old)
        allowed = {"ttl_seconds": 0.3, "stale_if_error": True}
        with serving(machine, pod.url, cache=allowed, **settings):
            assert_is_old(editor.ask(stream=stream, seed=7), old)
            assert_all_are_named(editor.ask(stream=stream))


def is_expired(editor: Editor, **more: Any) -> bool:
    return editor.ask(headers={"Cache-Control": "only-if-cached"}, **more).status == 504


def assert_all_are_named(said: Said) -> None:
    assert (said.status, said.served_by) == (503, "podman-llm")
    assert said.document["error"]["code"] == "all_failed"
    assert int(said.headers["Retry-After"]) >= 1
    assert said.headers["Content-Type"] == "application/json"
    for name in (r"(endpoint/[\d.:]+|The pod is not asked)", rf"({ON_BEDROCK}|bedrock is left.*)"):
        assert re.search(rf"{name}: http://127\.0\.0\.1:\d+ cannot be reached", said.error)
    assert f"{ON_OPENAI}: status 500: Internal server error." in said.error


def assert_is_old(said: Said, old: Said) -> None:
    assert (said.status, said.headers["X-Cache"], said.body) == (200, "STALE", old.body)
    assert said.served_by == old.served_by


def test_bedrock_completes_and_embeds_and_its_openai_surface_takes_what_claude_cannot(
    machine: Machine, others: Others, editor: Editor
) -> None:
    titan, claude, gpt = "amazon.titan-embed-text-v2:0", "global.anthropic.claude-opus-5-5", "gpt"
    url, region = others.bedrock.url, "us-east-1"
    every = ["chat/completions", "completions", "embeddings"]
    backends = [
        {"name": "bedrock", "kind": "bedrock", "region": region, "base_url": url}
        | {"endpoints": every, "models": {"vectors": titan, "*": claude}},
        {"name": "signed", "auth": "sigv4", "region": region, "base_url": f"{url}/openai/v1"}
        | {"models": {"*": gpt}},
    ]
    with serving(machine, NOBODY, fallback={"backends": backends}):
        text = editor.ask("completions", messages=None, prompt=["Once", "Twice"])
        assert (text.is_whole, text.served_by) == (True, f"bedrock/{claude}")
        assert len(text.document["choices"]) == 2
        streamed = editor.ask("completions", messages=None, prompt="Once", stream=True)
        assert (streamed.is_whole, streamed.models) == (True, {claude})
        vectors = editor.ask("embeddings", messages=None, model="vectors", input=["a", "b"])
        assert [len(row["embedding"]) for row in vectors.document["data"]] == [1024, 1024]
        forced = {"type": "function", "function": {"name": "get_weather"}}
        for stream in (True, False):
            said = editor.ask(messages=[RAIN], tools=[TOOL], tool_choice=forced, stream=stream)
            assert (said.is_whole, said.served_by) == (True, f"signed/{gpt}")
            assert b'"name":"get_weather"' in said.body
    *_, last = others.bedrock.server.requests
    assert (last.action, last.model) == ("chat/completions", gpt)
    assert last.headers["Authorization"].startswith("AWS4-HMAC-SHA256")
