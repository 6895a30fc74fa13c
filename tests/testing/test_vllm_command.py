from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podman_llm.testing.runpod_process import free_port

KEY = "pllm-key"
CHECK = f"""
class Bearer:
    def __init__(self, app):
        self.digest = "{hashlib.sha256(KEY.encode()).hexdigest()}"
"""
Vllm = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def vllm(tmp_path: Path, port: int) -> Iterator[Vllm]:
    (tmp_path / "pllm_auth.py").write_text(CHECK)
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "podman_llm.testing.vllm_command", *arguments],
            env={**os.environ, "PYTHONPATH": str(tmp_path), "PLLM_DOUBLE_PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def models(port: int, key: str = "") -> str:
    url = f"http://127.0.0.1:{port}/v1/models"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(answer.read())


def until_ready(process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 30
    assert process.stdout
    while "ready at" not in process.stdout.readline():
        assert time.monotonic() < until


def test_it_serves_what_its_flags_say_behind_the_check_it_is_given(vllm: Vllm, port: int) -> None:
    names = ("--served-model-name", "one", "two", "--port", "8000")
    until_ready(vllm("serve", "org/m", *names, "--middleware", "pllm_auth.Bearer"))
    assert '"one"' in models(port, KEY)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        models(port, "wrong")


def test_a_check_that_is_not_there_starts_no_server(vllm: Vllm) -> None:
    process = vllm("serve", "org/m", "--middleware", "no_such_check.Bearer")
    _, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "no_such_check" in err
