from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from podman_llm.proxy import lifeline as lifeline_module
from podman_llm.proxy.lifeline import lifeline

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """The daemon's end and the worker's, which is in a hurry."""
    monkeypatch.setattr(lifeline_module, "_BEAT_SECONDS", 0.001)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def _drain(sock: socket.socket) -> None:
    with suppress(BlockingIOError):
        while sock.recv(4096):
            pass


def _fill(sock: socket.socket) -> None:
    sock.setblocking(False)
    with suppress(BlockingIOError):
        while sock.send(b"." * 4096):
            pass


async def test_there_is_a_sign_at_once_and_again_and_again(pair: Pair) -> None:
    ours, theirs = pair
    async with lifeline(theirs.fileno()):
        for _ in range(3):
            assert await asyncio.get_running_loop().sock_recv(ours, 1) == b"."


async def test_afterwards_there_is_none(pair: Pair) -> None:
    ours, theirs = pair
    async with lifeline(theirs.fileno()):
        await asyncio.get_running_loop().sock_recv(ours, 1)
    _drain(ours)
    await asyncio.sleep(0.01)
    with pytest.raises(BlockingIOError):
        ours.recv(1)


async def test_a_daemon_that_does_not_listen_holds_up_nobody_and_may_listen_again(
    pair: Pair,
) -> None:
    ours, theirs = pair
    _fill(theirs)
    async with lifeline(theirs.fileno()):
        await asyncio.sleep(0.01)
        _drain(ours)
        assert await asyncio.get_running_loop().sock_recv(ours, 1) == b"."


async def test_a_daemon_that_goes_is_noted_once_and_survived(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = pair
    async with lifeline(theirs.fileno()):
        ours.close()
        while not caplog.records:  # noqa: ASYNC110 - a log line is no event
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
    assert [record.getMessage() for record in caplog.records] == ["proxy.daemon_gone"]


async def test_without_a_descriptor_nothing_is_told() -> None:
    async with lifeline(None):
        await asyncio.sleep(0)
