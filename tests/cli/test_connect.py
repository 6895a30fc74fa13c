from __future__ import annotations

import json

from podman_llm.cli.connect import lines
from podman_llm.config.models import Settings
from tests.samples import a_record


def test_the_curl_line_carries_a_whole_request() -> None:
    text = lines(Settings(proxy_port=9000), a_record())
    [body] = [
        line.strip().removeprefix("-d '").removesuffix("'") for line in text if " -d '" in line
    ]
    assert json.loads(body)["model"] == "a-model"
    assert any("http://localhost:9000/v1/chat/completions" in line for line in text)


def test_https_is_told_to_curl_and_to_the_editors() -> None:
    text = "\n".join(lines(Settings(use_https=True), a_record()))
    assert "curl -k https://localhost:8000/v1" in text
    assert "http://" not in text


def test_the_way_to_a_fresh_answer_is_shown() -> None:
    assert "http://localhost:8000/nocache/v1" in lines(Settings(), a_record())[-1]
