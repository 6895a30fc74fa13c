"""The double is right if Amazon's own client cannot tell: boto3 asks here, unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError, EventStreamError

from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.testing.bedrock_model import Reply
from podman_llm.testing.bedrock_server import BedrockDouble, BedrockDoubleConfig
from podman_llm.testing.server_thread import ServerThread
from tests.testing.bedrock_clients import HAIKU, ask, boto, served, stream

WEATHER = {
    "toolSpec": {
        "name": "get_weather",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
}


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[BedrockDouble, Any]]:
    with served() as pair:
        yield pair


@pytest.fixture
def double(both: tuple[BedrockDouble, Any]) -> Iterator[BedrockDouble]:
    yield both[0]
    both[0].clear_faults()


@pytest.fixture
def client(both: tuple[BedrockDouble, Any]) -> Any:
    return both[1]


def test_converse_answers_with_text_and_usage(double: BedrockDouble, client: Any) -> None:
    answer = ask(client)
    assert answer["stopReason"] == "end_turn"
    assert answer["output"]["message"]["role"] == "assistant"
    assert answer["output"]["message"]["content"][0]["text"]
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert double.requests[-1].model == HAIKU
    assert not double.requests[-1].is_stream


def test_a_stream_tells_the_same_piece_by_piece(double: BedrockDouble, client: Any) -> None:
    whole = ask(client)["output"]["message"]["content"][0]["text"]
    events = stream(client)
    kinds = [next(iter(event)) for event in events]
    assert kinds[0] == "messageStart"
    assert kinds[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    deltas = [
        event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event
    ]
    assert len(deltas) > 3
    assert "".join(delta["text"] for delta in deltas) == whole


def test_tools_are_called(client: Any) -> None:
    answer = ask(client, "What is the weather in Paris?", toolConfig={"tools": [WEATHER]})
    assert answer["stopReason"] == "tool_use"
    use = answer["output"]["message"]["content"][0]["toolUse"]
    assert (use["name"], use["input"]) == ("get_weather", {"city": "Paris"})
    events = stream(client, "What is the weather in Paris?", toolConfig={"tools": [WEATHER]})
    start = next(event["contentBlockStart"] for event in events if "contentBlockStart" in event)
    assert start["start"]["toolUse"] == {"toolUseId": use["toolUseId"], "name": "get_weather"}


def test_scripted_answers_come_in_their_order(double: BedrockDouble, client: Any) -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "hm hm", "signature": "c2ln"}}}
    double.say(Reply((thought, {"text": "one"}), cache_read_tokens=7), Reply(({"text": "two"},)))
    first = ask(client)
    assert first["output"]["message"]["content"] == [thought, {"text": "one"}]
    assert first["usage"]["cacheReadInputTokens"] == 7
    assert ask(client)["output"]["message"]["content"] == [{"text": "two"}]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("AccessDeniedException", 403),
        ("InternalServerException", 500),
        ("ModelErrorException", 424),
        ("ModelNotReadyException", 429),
        ("ModelTimeoutException", 408),
        ("ResourceNotFoundException", 404),
        ("ServiceUnavailableException", 503),
        ("ThrottlingException", 429),
        ("ValidationException", 400),
        ("ExpiredTokenException", 403),
    ],
)
def test_exceptions_before_an_answer_are_amazons_own(
    double: BedrockDouble, client: Any, name: str, status: int
) -> None:
    double.add_fault(BedrockFault(BedrockFaultKind.EXCEPTION, name=name, message="words"))
    with pytest.raises(ClientError, match="words") as caught:
        ask(client)
    assert caught.value.response["Error"]["Code"] == name
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    if name != "ExpiredTokenException":  # not in the model of this API: a plain ClientError
        assert type(caught.value).__name__ == name


@pytest.mark.parametrize(
    "name",
    [
        "internalServerException",
        "modelStreamErrorException",
        "validationException",
        "throttlingException",
        "serviceUnavailableException",
    ],
)
def test_exceptions_within_a_stream_are_amazons_own(
    double: BedrockDouble, client: Any, name: str
) -> None:
    upper = name[0].upper() + name[1:]
    double.add_fault(BedrockFault(BedrockFaultKind.STREAM_EXCEPTION, name=upper, message="words"))
    with pytest.raises(EventStreamError, match="words") as caught:
        stream(client)
    assert caught.value.response["Error"]["Code"] == name


def test_an_error_that_is_not_modelled_comes_too(double: BedrockDouble, client: Any) -> None:
    fault = BedrockFault(BedrockFaultKind.STREAM_ERROR, name="internalFault", message="words")
    double.add_fault(fault)
    with pytest.raises(EventStreamError, match="words"):
        stream(client)


def test_a_cut_stream_ends_without_a_word_in_boto3(double: BedrockDouble, client: Any) -> None:
    double.add_fault(BedrockFault(BedrockFaultKind.EARLY_END))
    assert not any("messageStop" in event for event in stream(client))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (BedrockFaultKind.RESET, "ProtocolError|ResponseStreamingError"),
        (BedrockFaultKind.BAD_CHECKSUM, "ChecksumMismatch"),
    ],
)
def test_a_broken_stream_breaks(
    double: BedrockDouble, client: Any, kind: BedrockFaultKind, told: str
) -> None:
    double.add_fault(BedrockFault(kind))
    with pytest.raises(Exception) as caught:  # two libraries' own, told by name
        stream(client)
    assert type(caught.value).__name__ in told.split("|")


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"secret_key": "wrong"}, "InvalidSignatureException"),
        ({"access_key": "AKIDNOBODY"}, "UnrecognizedClientException"),
        ({"token": "old"}, "UnrecognizedClientException"),
        ({"region": "eu-west-1"}, "InvalidSignatureException"),
    ],
)
def test_only_its_own_keys_open_it(double: BedrockDouble, keys: dict[str, str], name: str) -> None:
    stranger = boto(double.url, double.config, **keys)
    with pytest.raises(ClientError) as caught:
        ask(stranger)
    stranger.close()
    assert caught.value.response["Error"]["Code"] == name


def test_session_keys_need_their_token() -> None:
    with served(BedrockDoubleConfig(session_token="made-up-token")) as (_, client):
        assert ask(client)["stopReason"] == "end_turn"


def test_only_models_that_exist_answer() -> None:
    with served(BedrockDoubleConfig(models=("amazon.nova-2-lite-v1:0",))) as (_, client):
        with pytest.raises(ClientError, match="model identifier is invalid"):
            ask(client)
        turn = {"role": "user", "content": [{"text": "hi"}]}
        assert client.converse(modelId="amazon.nova-2-lite-v1:0", messages=[turn])


def test_what_bedrock_refuses_is_refused(client: Any) -> None:
    with pytest.raises(ClientError, match="start with a user message"):
        client.converse(
            modelId=HAIKU, messages=[{"role": "assistant", "content": [{"text": "hi"}]}]
        )


def test_other_operations_are_not_known(double: BedrockDouble) -> None:
    headers = {"Authorization": f"Bearer {double.config.api_key}"}
    answer = requests.post(f"{double.url}/model/x/invoke", headers=headers, data=b"{}", timeout=5)
    assert answer.status_code == 404
    assert answer.headers["x-amzn-errortype"].startswith("UnknownOperationException")


def test_bodies_that_are_not_json_are_refused(double: BedrockDouble) -> None:
    headers = {"Authorization": f"Bearer {double.config.api_key}"}
    answer = requests.post(f"{double.url}/model/x/converse", headers=headers, data=b"{", timeout=5)
    assert answer.headers["x-amzn-errortype"].startswith("SerializationException")


def test_faults_are_ordered_over_http_too(double: BedrockDouble, client: Any) -> None:
    order = {"kind": "exception", "name": "ModelNotReadyException"}
    faults = f"{double.url}/__double/faults"
    assert requests.post(faults, data=json.dumps(order), timeout=5).status_code == 201
    with pytest.raises(ClientError, match="not ready"):
        ask(client)
    assert requests.post(faults, data=b'{"kind": "odd"}', timeout=5).status_code == 400
    before = requests.get(f"{double.url}/__double/state", timeout=5).json()["requests"]
    ask(client)
    after = requests.get(f"{double.url}/__double/state", timeout=5).json()
    assert after["requests"] == before + 1


def test_it_listens_on_loopback_only() -> None:
    class Open(BedrockDouble):
        async def start(self, host: str = "0.0.0.0", port: int = 0) -> None:
            await super().start(host, port)

    with pytest.raises(ValueError, match="loopback"), ServerThread(Open()):
        pass
