from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from multidict import CIMultiDict
from yarl import URL

from podman_llm.errors import ConfigError, UpstreamUnreachable
from podman_llm.testing.bedrock_signature import Identities, Signed
from podman_llm.upstreams.base import Call
from podman_llm.upstreams.sigv4 import BearerSigner, SigV4Signer, Vault, aws_chain, aws_region

CALL = Call(
    "POST",
    "https://bedrock-runtime.us-east-1.amazonaws.com/model/a%3Ab%2Fc/converse",
    (("Content-Type", "application/json"),),
    b"{}",
)


def received(call: Call) -> Signed:
    """What a server gets of a call."""
    url = URL(call.url, encoded=True)
    headers = CIMultiDict(call.headers)
    headers["Host"] = url.host or ""
    return Signed(call.method, url.raw_path, url.raw_query_string, headers, call.body)


@pytest.mark.parametrize("size", [2, 2_000_000])
async def test_a_signature_holds_for_the_id_in_the_path_and_any_body(size: int) -> None:
    vault = Vault(lambda: Credentials("AKID", "secret", "token"))
    call = Call(CALL.method, CALL.url, CALL.headers, b"x" * size)
    signed = await SigV4Signer(vault, region="us-east-1").sign(call)
    assert (signed.url, signed.body) == (call.url, call.body)
    Identities("us-east-1", {"AKID": "secret"}, token="token").check(received(signed))


async def test_a_bearer_stands_in_the_header() -> None:
    signer = BearerSigner("key")
    signed = await signer.sign(CALL)
    Identities("us-east-1", {}, api_key="key").check(received(signed))
    signer.doubt()
    assert await signer.sign(CALL) == signed


class Bank:
    """Where keys that expire come from; each fetch gives the next, good for ``lasting`` seconds."""

    def __init__(self, lasting: float) -> None:
        self.now = datetime(2026, 11, 1, tzinfo=UTC)
        self.lasting = lasting
        self.found = 0
        self.fetched = 0
        self.open = threading.Event()
        self.open.set()
        self.threads: set[int] = set()
        self.fails: Exception | None = None

    def find(self) -> RefreshableCredentials:
        self.found += 1
        return RefreshableCredentials(
            *("AKID0", "secret", "token"),
            expiry_time=self.now + timedelta(seconds=self.lasting),
            refresh_using=self._fetch,
            method="made-up",
            time_fetcher=lambda: self.now,
        )

    def _fetch(self) -> dict[str, Any]:
        self.open.wait(5)
        self.threads.add(threading.get_ident())
        self.fetched += 1
        if self.fails:
            raise self.fails
        until = (self.now + timedelta(seconds=3600)).isoformat()
        number = self.fetched
        return {
            "access_key": f"AKID{number}",
            "secret_key": "s",
            "token": "t",
            "expiry_time": until,
        }

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


async def access_key(vault: Vault) -> str:
    keys = await vault.keys()
    return str(keys.access_key)


async def fetched(vault: Vault) -> None:
    """Wait for the fetch in the background."""
    assert vault._fetching is not None
    await asyncio.wait([vault._fetching])


async def test_keys_are_found_once() -> None:
    bank = Bank(3600)
    vault = Vault(bank.find)
    assert {await access_key(vault) for _ in range(3)} == {"AKID0"}
    assert bank.found == 1
    assert not bank.fetched


async def test_keys_are_renewed_ahead_without_anybody_waiting() -> None:
    bank = Bank(3600)
    vault = Vault(bank.find)
    await vault.keys()
    bank.later(3600 - 600)
    bank.open.clear()
    assert await access_key(vault) == "AKID0"  # the bank is still busy
    bank.open.set()
    await fetched(vault)
    assert await access_key(vault) == "AKID1"
    assert bank.fetched == 1
    assert threading.get_ident() not in bank.threads


async def test_keys_at_their_end_are_waited_for_by_all_and_fetched_once() -> None:
    bank = Bank(3600)
    vault = Vault(bank.find)
    await vault.keys()
    bank.later(3600)
    bank.open.clear()
    asking = [asyncio.create_task(access_key(vault)) for _ in range(5)]
    await asyncio.sleep(0)
    asking[0].cancel()  # who leaves does not take the keys along
    bank.open.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert set(answers[1:]) == {"AKID1"}
    assert bank.fetched == 1


async def test_a_failure_to_renew_shows_only_at_the_end() -> None:
    bank = Bank(3600)
    vault = Vault(bank.find)
    await vault.keys()
    bank.fails = RuntimeError("the secret is hunter2")
    bank.later(3600 - 800)
    await vault.keys()
    await fetched(vault)
    assert bank.fetched == 1
    bank.later(800)
    with pytest.raises(UpstreamUnreachable, match="RuntimeError") as caught:
        await vault.keys()
    assert "hunter2" not in str(caught.value)
    assert not caught.value.was_asked
    bank.fails = None
    assert await access_key(vault) != "AKID0"


async def test_doubt_looks_for_others() -> None:
    bank = Bank(3600)
    vault = Vault(bank.find)
    signer = SigV4Signer(vault, region="us-east-1")
    await signer.sign(CALL)
    signer.doubt()
    await signer.sign(CALL)
    assert bank.found == 2


async def test_no_keys_are_told_and_looked_for_again() -> None:
    found = iter([None, Credentials("AKID", "secret")])
    vault = Vault(lambda: next(found))
    with pytest.raises(UpstreamUnreachable, match="no AWS credentials") as caught:
        await vault.keys()
    assert "AWS_BEARER_TOKEN_BEDROCK" in caught.value.hint
    assert not caught.value.was_asked
    assert await access_key(vault) == "AKID"


async def test_the_chain_reads_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.write_text(
        "[default]\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key = s\n"
        "[work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = s\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert await access_key(Vault(aws_chain())) == "AKIDDEFAULT"
    assert await access_key(Vault(aws_chain("work"))) == "AKIDWORK"
    with pytest.raises(UpstreamUnreachable, match="ProfileNotFound"):
        await Vault(aws_chain("play")).keys()


def test_the_region_is_that_of_the_environment_or_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_text("[default]\nregion = eu-west-1\n[profile bare]\noutput = json\n")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    assert aws_region() == "eu-west-1"
    with pytest.raises(ConfigError, match="no AWS region"):
        aws_region("bare")
    with pytest.raises(ConfigError, match="play"):
        aws_region("play")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert aws_region() == "us-west-2"
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert aws_region() == "us-east-1"
