from __future__ import annotations

from tests.proxy.rig import ANSWER, http, proxy, says

ASK = {"messages": [{"role": "user", "content": "hi"}]}


async def test_a_question_to_nobody_counts_for_no_numbers() -> None:
    async with proxy(says(http(ANSWER)), target={"url": None}) as rig:
        await rig.ask(ASK)
        assert rig.activity.snapshot().requests == 0
