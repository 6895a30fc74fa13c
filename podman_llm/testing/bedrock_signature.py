"""Who is asking: signatures of version 4 recomputed, and bearer tokens compared.

Written from Amazon's description of the algorithm and not over a library, so that the code under
test is not its own judge; that Amazon's client passes it is a test.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from podman_llm.testing.bedrock_errors import AwsError

_SKEW_SECONDS = 5 * 60
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), *SignedHeaders=([^,]+),"
    r" *Signature=([0-9a-f]{64})"
)


class _Headers(Protocol):
    def getall(self, name: str, default: list[str]) -> list[str]: ...

    def get(self, name: str, default: str) -> str: ...


@dataclass(frozen=True)
class Signed:
    """What of a request is signed. ``path`` is as sent, still encoded."""

    method: str
    path: str
    query: str
    headers: _Headers
    body: bytes


@dataclass(frozen=True)
class Identities:
    """Who may ask. ``keys`` are secrets by access key; ``token`` goes with keys that expire."""

    region: str
    keys: Mapping[str, str]
    token: str = ""
    api_key: str = ""

    def check(self, request: Signed) -> None:
        """Raise AwsError unless the request comes from somebody known."""
        given = request.headers.get("Authorization", "")
        if given.startswith("Bearer "):
            self._check_bearer(given.removeprefix("Bearer "))
        elif found := _AUTHORIZATION.fullmatch(given):
            self._check_signature(request, *found.groups())
        else:
            raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")

    def _check_bearer(self, token: str) -> None:
        if not self.api_key or not hmac.compare_digest(token, self.api_key):
            message = "Authentication failed: Please make sure your API Key is valid."
            raise AwsError("AccessDeniedException", message)

    def _check_signature(
        self, request: Signed, access_key: str, scope: str, names: str, signature: str
    ) -> None:
        secret = self.keys.get(access_key)
        if secret is None or request.headers.get("X-Amz-Security-Token", "") != self.token:
            message = "The security token included in the request is invalid."
            raise AwsError("UnrecognizedClientException", message)
        stamp = request.headers.get("X-Amz-Date", "")
        self._check_scope(scope, stamp)
        if not hmac.compare_digest(_signature(request, secret, stamp, scope, names), signature):
            raise AwsError(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided."
                " Check your AWS Secret Access Key and signing method.",
            )

    def _check_scope(self, scope: str, stamp: str) -> None:
        if scope != f"{stamp[:8]}/{self.region}/bedrock/aws4_request":
            message = "Credential should be scoped to a valid region and service."
            raise AwsError("InvalidSignatureException", message)
        signed_at = calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
        if abs(time.time() - signed_at) > _SKEW_SECONDS:
            raise AwsError("InvalidSignatureException", f"Signature expired: {stamp}")


def _signature(request: Signed, secret: str, stamp: str, scope: str, names: str) -> str:
    lines = [
        request.method,
        quote(request.path, safe="/~"),  # encoded once more than on the wire
        "&".join(sorted(request.query.split("&"))),
        *(f"{name}:{_canonical(request.headers, name)}" for name in names.split(";")),
        "",
        names,
        hashlib.sha256(request.body).hexdigest(),
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for word in scope.split("/"):
        key = _hmac(key, word)
    return _hmac(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}").hex()


def _canonical(headers: _Headers, name: str) -> str:
    return ",".join(" ".join(value.split()) for value in headers.getall(name, []))


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
