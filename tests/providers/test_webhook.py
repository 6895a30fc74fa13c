from __future__ import annotations

import json

from podman_llm.host.clock import SystemClock
from podman_llm.providers.webhook import Webhook
from tests.providers.conftest import ByteServer, answer


def test_one_post_of_json_goes_to_the_very_url(byte_server: ByteServer) -> None:
    byte_server.scripts = [answer("204 No Content")]
    hook = Webhook(f"{byte_server.url}/topic?tag=gpu&empty=", SystemClock())
    assert hook.send({"text": "the pod ends"}) == ""
    (request,) = byte_server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /topic?tag=gpu&empty= HTTP/1.1")
    assert b"authorization" not in head.lower()
    assert json.loads(body) == {"text": "the pod ends"}


def test_what_does_not_arrive_is_said_without_the_url(byte_server: ByteServer) -> None:
    byte_server.scripts = [answer("404 Not Found", "no topic secret123"), b""]
    hook = Webhook(f"{byte_server.url}/secret123", SystemClock())
    assert hook.send({}) == "the webhook answered 404"
    lost = hook.send({})
    assert lost.startswith("the webhook: ")
    assert "secret123" not in lost
