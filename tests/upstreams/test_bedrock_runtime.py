from __future__ import annotations

import json

import pytest

from podman_llm.core.bedrock_requests import Asked, to_bedrock
from podman_llm.core.completion import Endpoint
from podman_llm.core.converse_models import known_model
from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.upstreams.bedrock_runtime import BedrockRuntime, Refused, about
from podman_llm.upstreams.sigv4 import BearerSigner
from tests.upstreams.bedrock_rig import TITAN, rig, runtime


def embedding(model: str = TITAN) -> Asked:
    body = json.dumps({"model": model, "input": "some text"}).encode()
    asked = to_bedrock(Endpoint.EMBEDDINGS, body, known_model)
    assert isinstance(asked, Asked)
    return asked


async def test_a_document_comes_with_its_count_and_the_id_of_its_call() -> None:
    async with rig() as (_, double):
        there = runtime(double)
        asked = embedding()
        whole = await there.whole(asked, asked.bodies[0])
        assert json.loads(whole.reply.body)["inputTextTokenCount"] == whole.reply.tokens == 3
        assert whole.request_id
        assert (double.requests[0].model, double.requests[0].action) == (TITAN, "invoke")
        await there.close()


async def test_an_id_is_one_segment_of_the_path() -> None:
    async with rig() as (_, double):
        there = runtime(double)
        profile = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{TITAN}"
        asked = embedding(profile)
        await there.whole(asked, asked.bodies[0])
        assert double.requests[0].model == profile
        await there.close()


async def test_a_refusal_tells_its_problem_and_the_id_of_its_call() -> None:
    async with rig() as (_, double):
        there = runtime(double)
        fault = BedrockFault(BedrockFaultKind.EXCEPTION, name="ThrottlingException", retry_after=3)
        double.add_fault(fault)
        with pytest.raises(Refused) as caught:
            await there.begin(embedding(), b"{}")
        assert (caught.value.problem.status, caught.value.problem.retry_after) == (429, 3)
        assert dict(caught.value.traced)["X-Amzn-RequestId"]
        await there.close()


async def test_what_is_too_long_is_told_of_the_field_it_is_in() -> None:
    async with rig() as (_, double):
        there = runtime(double)
        double.add_fault(BedrockFault(BedrockFaultKind.EXCEPTION, name="ValidationException"))
        with pytest.raises(Refused) as caught:
            await there.whole(embedding(), b"{}")
        assert caught.value.problem.param == "input"
        assert about(caught.value.problem, embedding()) == caught.value.problem
        await there.close()


def test_without_another_url_it_is_amazons_own() -> None:
    there = BedrockRuntime(BearerSigner("k"), region="eu-west-1", connect_timeout=1, idle_timeout=1)
    assert there._base == "https://bedrock-runtime.eu-west-1.amazonaws.com"
