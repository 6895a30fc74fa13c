"""Puts the key check in front of the server, then becomes the server.

The guard runs this very source as ``python3 -c SOURCE vllm serve MODEL ...``. With PLLM_KEY_SHA256
in the environment it saves itself as the module ``pllm_auth``, and vLLM loads ``Bearer`` from
there. The key itself is not in the pod, only its hash. Whatever goes wrong ends the process: a
server without its check never starts. With PLLM_HEARTBEAT each request that brings the key touches
that file, by which the guard knows that we are still there. Only the standard library; no quote,
brace pair or dollar sign that a template engine or a shell on the way could read as its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import importlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

OPEN = frozenset({"/health", "/ping", "/version", "/metrics"})
# Everything else is shut, not only /v1: vLLM also answers /invocations, /tokenize and more.


class Bearer:
    """ASGI middleware: lets in who sends the key whose SHA-256 is PLLM_KEY_SHA256."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401 - ASGI has no types in a bare image
        self.app = app
        self.digest = wanted_digest()
        self.sign = os.environ.get("PLLM_HEARTBEAT")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as above
        """Pass on start-up and shut-down, open paths and who has the key; refuse the rest."""
        if scope["type"] == "lifespan" or scope["path"] in OPEN or self.accepts(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            body = json.dumps({"error": "Unauthorized"}, separators=(",", ":")).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
            ]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    def accepts(self, scope: Any) -> bool:  # noqa: ANN401 - as above
        """Whether one of the Authorization headers carries the key."""
        has_key = any(
            name == b"authorization" and self.fits(*value.partition(b" ")[::2])
            for name, value in scope["headers"]
        )
        if has_key and self.sign:
            with contextlib.suppress(OSError):  # a full disk shuts nobody out
                Path(self.sign).touch()
        return has_key

    def fits(self, scheme: bytes, token: bytes) -> bool:
        """Compare in constant time."""
        digest = hashlib.sha256(token).hexdigest()
        return scheme.lower() == b"bearer" and hmac.compare_digest(digest, self.digest)


def wanted_digest() -> str:
    """The hash to demand; a damaged one ends the process."""
    digest = os.environ.get("PLLM_KEY_SHA256", "")
    if not re.fullmatch("[0-9a-f]{64}", digest):
        sys.exit("PLLM-BOOT failed: PLLM_KEY_SHA256 is no SHA-256")
    return digest


def install() -> None:
    """Make ``pllm_auth`` importable for the server, and see that it is."""
    source = sys.orig_argv[sys.orig_argv.index("-c") + 1]
    folder = tempfile.mkdtemp(prefix="pllm-")
    Path(folder, "pllm_auth.py").write_text(source, encoding="utf-8")
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, inherited]))
    sys.path.insert(0, folder)
    importlib.import_module("pllm_auth").Bearer(None)


def main() -> None:
    """Install the check when there is a key, say so in one line, become the command."""
    command = sys.argv[1:]
    keyed = "PLLM_KEY_SHA256" in os.environ
    if keyed:
        install()
        command += ["--middleware", "pllm_auth.Bearer"]
    print("PLLM-BOOT ok", "key=demanded" if keyed else "key=none", flush=True)
    os.execvp(command[0], command)  # noqa: S606 - becoming the server is the point


if __name__ == "__main__":
    main()
