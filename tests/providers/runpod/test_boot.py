from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from podman_llm.providers.runpod import boot
from podman_llm.providers.runpod.boot import Bearer

KEY = "pllm-0123456789abcdef"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
SOURCE = Path(boot.__file__).read_text(encoding="utf-8")

# Loads the middleware as vLLM does and drives it; prints what it saw as one JSON line.
FAKE_VLLM = f"""#!{sys.executable}
import asyncio, importlib, json, os, sys

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
    elif scope["type"] == "websocket":
        await send({{"type": "websocket.accept"}})
    else:
        await send({{"type": scope["type"]}})

async def drive(asgi, scope):
    sent = []
    async def send(message):
        sent.append({{k: str(v) for k, v in message.items()}})
    await asgi(scope, None, send)
    return sent

if "--middleware" in sys.argv:
    module, _, name = sys.argv[sys.argv.index("--middleware") + 1].rpartition(".")
    app = getattr(importlib.import_module(module), name)(app)
scopes = json.loads(os.environ["SCOPES"])
for scope in scopes:
    scope["headers"] = [[n.encode(), v.encode()] for n, v in scope.get("headers", [])]
print(json.dumps({{"argv": sys.argv[1:], "sent": [asyncio.run(drive(app, s)) for s in scopes]}}))
"""


def boot_with(
    tmp_path: Path, *command: str, scopes: list[Any] | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the source as RunPod does, in an environment as bare as an image's."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir(exist_ok=True)
    server = bin_folder / "vllm"
    server.write_text(FAKE_VLLM)
    server.chmod(0o755)
    environ = {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
        "SCOPES": json.dumps(scopes or []),
        **env,
    }
    return subprocess.run(
        [sys.executable, "-c", SOURCE, *command],
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def http(path: str, *headers: tuple[str, str]) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": path, "headers": headers}


def statuses(scopes: list[dict[str, Any]], tmp_path: Path) -> list[str]:
    done = boot_with(tmp_path, "vllm", "serve", "m", scopes=scopes, PLLM_KEY_SHA256=DIGEST)
    assert done.returncode == 0, done.stderr
    sent = json.loads(done.stdout.splitlines()[-1])["sent"]
    return [messages[0].get("status", messages[0]["type"]) for messages in sent]


def test_the_server_gets_its_own_arguments_and_the_check(tmp_path: Path) -> None:
    done = boot_with(tmp_path, "vllm", "serve", "m", "--port", "8000", PLLM_KEY_SHA256=DIGEST)
    first, last = done.stdout.splitlines()
    assert first == "PLLM-BOOT ok key=demanded"
    expected = ["serve", "m", "--port", "8000", "--middleware", "pllm_auth.Bearer"]
    assert json.loads(last)["argv"] == expected


def test_the_key_opens_and_nothing_else_does(tmp_path: Path) -> None:
    scopes = [
        http("/v1/models", ("authorization", f"Bearer {KEY}")),
        http("/v1/models", ("authorization", f"bearer {KEY}")),
        http("/v1/models"),
        http("/v1/models", ("authorization", "Bearer wrong")),
        http("/v1/models", ("authorization", f"Basic {KEY}")),
        http("/v1/models", ("authorization", KEY)),
        http("/v1/models", ("authorization", f"Bearer {DIGEST}")),
        http("/v1/models", ("x-api-key", KEY)),
    ]
    assert statuses(scopes, tmp_path) == ["200", "200", *["401"] * 6]


@pytest.mark.parametrize(("key", "is_heard"), [(KEY, True), ("wrong", False)])
def test_only_who_has_the_key_keeps_a_lease_alive(
    tmp_path: Path, key: str, *, is_heard: bool
) -> None:
    sign = tmp_path / "heartbeat"
    scopes = [http("/health"), http("/v1/models", ("authorization", f"Bearer {key}"))]
    boot_with(tmp_path, "vllm", scopes=scopes, PLLM_KEY_SHA256=DIGEST, PLLM_HEARTBEAT=str(sign))
    assert sign.exists() is is_heard


def test_a_heartbeat_that_cannot_be_written_shuts_nobody_out(tmp_path: Path) -> None:
    scopes = [http("/v1/models", ("authorization", f"Bearer {KEY}"))]
    nowhere = str(tmp_path / "missing" / "heartbeat")
    env = {"PLLM_KEY_SHA256": DIGEST, "PLLM_HEARTBEAT": nowhere}
    done = boot_with(tmp_path, "vllm", scopes=scopes, **env)
    assert json.loads(done.stdout.splitlines()[-1])["sent"][0][0]["status"] == "200"


def test_health_is_open_and_every_other_way_in_is_shut(tmp_path: Path) -> None:
    scopes = [
        http("/health"),
        http("/metrics"),
        http("/version"),
        http("/invocations"),
        http("/tokenize"),
        http("/"),
        http("//v1/models"),
        http("/health/../v1/models"),
        {"type": "websocket", "path": "/v1/realtime"},
        {
            "type": "websocket",
            "path": "/v1/realtime",
            "headers": [("authorization", f"Bearer {KEY}")],
        },
        {"type": "lifespan"},
    ]
    assert statuses(scopes, tmp_path) == [
        *["200"] * 3,
        *["401"] * 5,
        "websocket.close",
        "websocket.accept",
        "lifespan",
    ]


async def test_a_refusal_is_worded_as_vllm_words_it(
    monkeypatch: pytest.MonkeyPatch, recordings: Path
) -> None:
    monkeypatch.setenv("PLLM_KEY_SHA256", DIGEST)
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await Bearer(None)({"type": "http", "path": "/v1/models", "headers": []}, None, send)
    recorded = (recordings / "vllm" / "scenario-auth-401-chat.raw").read_bytes()
    assert sent[1]["body"] == recorded.partition(b"\r\n\r\n")[2]
    assert (b"content-type", b"application/json") in sent[0]["headers"]


def test_without_a_key_the_command_runs_as_it_is(tmp_path: Path) -> None:
    done = boot_with(tmp_path, "vllm", "serve", "m")
    first, last = done.stdout.splitlines()
    assert first == "PLLM-BOOT ok key=none"
    assert json.loads(last)["argv"] == ["serve", "m"]


@pytest.mark.parametrize("digest", ["", "short", "Z" * 64, DIGEST.upper(), DIGEST + "\n"])
def test_a_damaged_hash_starts_no_server(tmp_path: Path, digest: str) -> None:
    done = boot_with(tmp_path, "vllm", "serve", "m", PLLM_KEY_SHA256=digest)
    assert done.returncode != 0
    assert done.stdout == ""


def test_a_check_that_cannot_be_written_starts_no_server(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import tempfile\n"
        "def full(**_): raise OSError(28, 'No space left on device')\n"
        "tempfile.mkdtemp = full\n"
    )
    done = boot_with(tmp_path, "vllm", PLLM_KEY_SHA256=DIGEST, PYTHONPATH=str(tmp_path))
    assert "No space left" in done.stderr
    assert (done.returncode, done.stdout) == (1, "")


def test_a_server_that_does_not_know_the_check_does_not_start(tmp_path: Path) -> None:
    picky = tmp_path / "picky"
    picky.write_text(
        f"#!{sys.executable}\nimport argparse\nargparse.ArgumentParser().parse_args()\n"
    )
    picky.chmod(0o755)
    done = boot_with(tmp_path, str(picky), PLLM_KEY_SHA256=DIGEST)
    assert done.returncode == 2
    assert "unrecognized arguments" in done.stderr


@pytest.mark.parametrize("command", [(), ("no-such-server",)])
def test_nothing_to_start_is_a_failure(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert boot_with(tmp_path, *command).returncode != 0


def test_an_own_python_path_of_the_image_is_kept(tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "sitecustomize.py").write_text("print('from the image', flush=True)")
    done = boot_with(tmp_path, "vllm", "serve", "m", PLLM_KEY_SHA256=DIGEST, PYTHONPATH=str(extra))
    assert done.stdout.count("from the image") == 2


def test_the_key_is_nowhere_in_what_is_sent() -> None:
    assert KEY not in SOURCE


def test_the_source_survives_templates_and_shells_on_its_way() -> None:
    assert len(SOURCE.encode()) < 8 * 1024
    assert SOURCE.isascii()
    for dangerous in ("'", "{{", "}}", "$", "`" * 3, "\\"):
        assert dangerous not in SOURCE
