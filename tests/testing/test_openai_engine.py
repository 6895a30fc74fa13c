"""Slots, pace, and the ways in which an engine stops."""

from __future__ import annotations

import asyncio

import pytest

from podman_llm.testing.openai_engine import Engine, EngineAborted, EngineDied
from podman_llm.testing.openai_tally import Tally


def _engine(tally: Tally, *, slots: int = 1, speed: float = 0.0) -> Engine:
    return Engine(tally, slots=slots, tokens_per_second=speed)


async def test_a_request_beyond_the_slots_waits_its_turn() -> None:
    tally = Tally()
    engine = _engine(tally)
    async with engine.occupy():
        second = asyncio.create_task(_occupy(engine))
        await tally.wait_until(lambda: tally.waiting == 1)
        assert tally.running == 1
    await second
    assert (tally.running, tally.waiting) == (0, 0)


async def _occupy(engine: Engine) -> None:
    async with engine.occupy():
        pass


async def test_one_that_gives_up_waiting_holds_no_slot() -> None:
    tally = Tally()
    engine = _engine(tally)
    async with engine.occupy():
        second = asyncio.create_task(_occupy(engine))
        await tally.wait_until(lambda: tally.waiting == 1)
        second.cancel()
        await tally.wait_until(lambda: tally.waiting == 0)
    await _occupy(engine)


async def test_a_beat_takes_the_time_of_its_tokens() -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    await _engine(Tally(), speed=100).beat(5)
    assert 0.04 < loop.time() - started < 5


@pytest.mark.parametrize("reason", [EngineAborted, EngineDied])
async def test_stopping_interrupts_a_long_beat(
    reason: type[EngineAborted | EngineDied],
) -> None:
    engine = _engine(Tally(), speed=0.001)
    beating = asyncio.create_task(engine.beat(1))
    await asyncio.sleep(0)
    engine.stop(reason)
    with pytest.raises(reason):
        await beating
    assert not engine.is_healthy


async def test_a_frozen_engine_goes_on_when_thawed() -> None:
    engine = _engine(Tally())
    engine.freeze()
    beating = asyncio.create_task(engine.beat(1))
    await asyncio.sleep(0.01)
    assert not beating.done()
    assert engine.is_healthy
    engine.thaw()
    await beating


async def test_a_frozen_engine_can_be_stopped() -> None:
    engine = _engine(Tally())
    engine.freeze()
    beating = asyncio.create_task(engine.beat(1))
    await asyncio.sleep(0)
    engine.stop(EngineDied)
    with pytest.raises(EngineDied):
        await beating
