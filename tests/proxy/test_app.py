from __future__ import annotations

from tests.proxy.rig import ANSWER, http, proxy, says


async def test_the_address_listened_on_is_a_host_of_ours() -> None:
    settings = {"proxy": {"host": "10.1.2.3"}}
    async with proxy(says(http(ANSWER)), settings=settings) as rig:
        for host, status in (("10.1.2.3:8000", 200), ("10.1.2.4:8000", 403)):
            assert (await rig.ask({"messages": []}, headers={"Host": host})).status == status


async def test_listening_everywhere_does_not_mean_any_host() -> None:
    async with proxy(says(), settings={"proxy": {"host": "0.0.0.0"}}) as rig:
        assert (await rig.ask({"messages": []}, headers={"Host": "0.0.0.0:1"})).status == 403


async def test_what_is_kept_at_the_end_is_written_before_the_cache_closes() -> None:
    async with proxy(says(http(ANSWER))) as rig:
        await rig.ask({"messages": []})
    assert rig.cache
    assert (await rig.cache.stats()).entries == 1
