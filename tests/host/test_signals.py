from __future__ import annotations

import signal

import pytest

from podman_llm.host.signals import Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_stop_is_only_a_flag(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Signals() as signals:
        signal.raise_signal(number)
        assert signals.stop
        assert not signals.take_poke()
    assert signal.getsignal(number) is before


def test_a_poke_is_taken_once_and_does_not_stop() -> None:
    with Signals() as signals:
        signal.raise_signal(signal.SIGHUP)
        assert not signals.stop
        assert signals.take_poke()
        assert not signals.take_poke()
