from __future__ import annotations

import json

from podman_llm.testing.bedrock_errors import MESSAGES, STATUSES, AwsError, invalid


def test_an_error_has_its_name_status_and_words() -> None:
    response = AwsError("ModelErrorException", originalStatusCode=500).response(retry_after=3)
    assert response.status == 424
    assert response.headers["x-amzn-errortype"].startswith("ModelErrorException:http://")
    assert response.headers["retry-after"] == "3"
    assert isinstance(response.body, bytes)
    told = json.loads(response.body)
    assert told == {"message": MESSAGES["ModelErrorException"], "originalStatusCode": 500}


def test_every_message_has_its_status() -> None:
    assert set(MESSAGES) <= set(STATUSES)


def test_invalid_is_a_validation() -> None:
    assert (invalid("x").name, invalid("x").message) == ("ValidationException", "x")
