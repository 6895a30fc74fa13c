from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from multidict import CIMultiDict
from yarl import URL

from podman_llm.testing.bedrock_errors import AwsError
from podman_llm.testing.bedrock_signature import Identities, Signed

URL_ = "https://host.example/model/a%3Ab%2Fc/converse?b=2&a=1"
OURS = Identities(region="us-east-1", keys={"AKID": "secret"}, api_key="key")


def signed(url: str = URL_, body: bytes = b"{}", service: str = "bedrock") -> Signed:
    """A request as botocore signs it."""
    request = AWSRequest("POST", url, {"Content-Type": "a  b", "Host": "host.example"}, body)
    SigV4Auth(Credentials("AKID", "secret"), service, "us-east-1").add_auth(request)
    where = URL(url, encoded=True)
    headers = CIMultiDict(request.headers.items())
    return Signed("POST", where.raw_path, where.raw_query_string, headers, body)


@contextmanager
def refused(name: str) -> Iterator[None]:
    with pytest.raises(AwsError) as caught:
        yield
    assert caught.value.name == name


def test_a_signature_of_botocore_is_accepted() -> None:
    OURS.check(signed())
    OURS.check(signed("https://host.example/", b""))


def test_a_changed_body_path_or_header_is_not() -> None:
    request = signed()
    for changed in (
        Signed("POST", request.path, request.query, request.headers, b"{ }"),
        Signed("POST", "/model/other/converse", request.query, request.headers, b"{}"),
        Signed("PUT", request.path, request.query, request.headers, b"{}"),
        Signed("POST", request.path, "a=1", request.headers, b"{}"),
        Signed("POST", request.path, "", CIMultiDict({**request.headers, "Host": "x"}), b"{}"),  # type: ignore[dict-item]  # a multidict is a mapping here
    ):
        with refused("InvalidSignatureException"):
            OURS.check(changed)


def test_another_service_is_another_scope() -> None:
    with refused("InvalidSignatureException"):
        OURS.check(signed(service="s3"))


def test_an_old_signature_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    request = signed()
    monkeypatch.setattr("time.time", lambda: 4e9)
    with refused("InvalidSignatureException"):
        OURS.check(request)


def test_bearers_are_compared() -> None:
    def bearer(token: str) -> Signed:
        return Signed("POST", "/", "", CIMultiDict(Authorization=f"Bearer {token}"), b"")

    OURS.check(bearer("key"))
    with refused("AccessDeniedException"):
        OURS.check(bearer("other"))
    with refused("AccessDeniedException"):
        Identities(region="us-east-1", keys={}).check(bearer(""))


def test_nobody_is_nobody() -> None:
    with refused("MissingAuthenticationTokenException"):
        OURS.check(Signed("POST", "/", "", CIMultiDict(), b""))
