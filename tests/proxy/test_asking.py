from __future__ import annotations

import json
from typing import Any

from podman_llm.cache.memory import MemoryCache
from podman_llm.config.models import BackendSettings, Settings
from podman_llm.core.routing import NO_DIRECTIVES, POD, locate
from podman_llm.proxy.asking import Asking
from podman_llm.proxy.backends import backend_of
from podman_llm.proxy.inquiry import Inquiry
from podman_llm.proxy.opening import open_answer
from podman_llm.proxy.questions import Ask, Questions
from podman_llm.proxy.shelf import Shelf
from podman_llm.proxy.targets import FixedTarget
from podman_llm.testing.clock import FakeClock
from podman_llm.upstreams.openai import OpenAIUpstream
from tests.proxy.rig import ANSWER
from tests.proxy.test_opening import Scripted

BACKEND = {"name": "other", "models": {"*": "gpt"}, "base_url": "http://other"}
SETTINGS = Settings.model_validate({"fallback": {"backends": [BACKEND]}})


class Desk:
    def __init__(self) -> None:
        self.cache = MemoryCache(max_entries=9, max_bytes=10_000_000)
        self.questions = Questions(SETTINGS)
        self.shelf = Shelf(cache=self.cache, settings=SETTINGS, clock=FakeClock())
        self.pod = OpenAIUpstream(connect_timeout=1, idle_timeout=1)
        other = backend_of(BackendSettings.model_validate(BACKEND), self.pod)
        self.asking = Asking(
            pod=self.pod,
            backends={"other": other},
            shelf=self.shelf,
            others=self.shelf,
            keeps_credentials=True,
        )

    async def inquiry(self, body: Any, path: str = "/v1/chat/completions") -> Inquiry:
        route, raw = locate(path), json.dumps(body).encode()
        target = FixedTarget("http://pod").snapshot()
        assert route.endpoint
        question = await self.questions.read(raw, route.endpoint, "")
        ask = Ask(route, "", raw, question, NO_DIRECTIVES, "")
        return Inquiry("POST", {}, ask, self.shelf.key(ask, target.model_tag), "MISS", "r", target)


async def test_each_is_asked_in_its_own_way_and_kept_in_its_own_place() -> None:
    desk = Desk()
    inquiry = await desk.inquiry({"model": "podman-llm", "messages": []})
    shelved = {name: desk.asking.shelved(name, inquiry) for name in (POD, "other")}
    keys = {name: one.key.digest for name, one in shelved.items() if one.key}
    assert len(set(keys.values())) == 2
    asked = {name: await desk.asking.asked(name, inquiry, shelved[name]) for name in shelved}
    assert asked[POD].call.url == "http://pod/v1/chat/completions"
    assert asked[POD].call.body == inquiry.ask.body
    assert asked["other"].call.url == "http://other/v1/chat/completions"
    assert json.loads(asked["other"].call.body)["model"] == "gpt"
    assert (asked[POD].is_pod, asked["other"].is_pod) == (True, False)
    assert asked["other"].served_by == "other/gpt"


async def test_what_one_says_is_found_again_as_its_own() -> None:
    desk = Desk()
    inquiry = await desk.inquiry({"model": "podman-llm", "messages": []})
    shelved = desk.asking.shelved("other", inquiry)
    answer = Scripted(ANSWER, kind="application/json")
    await open_answer(answer, inquiry.ask, shelved.keeper(answer))
    await desk.shelf.settle()
    found = await shelved.find()
    assert found is not None
    assert found.entry.served_by == "other/gpt"
    assert await desk.asking.shelved(POD, inquiry).find() is None


async def test_what_is_not_to_be_kept_is_neither_kept_nor_found() -> None:
    desk = Desk()
    inquiry = await desk.inquiry({"model": "m", "messages": []}, "/nocache/v1/chat/completions")
    shelved = desk.asking.shelved("other", inquiry)
    answer = Scripted(ANSWER, kind="application/json")
    await open_answer(answer, inquiry.ask, shelved.keeper(answer))
    await desk.shelf.settle()
    assert await shelved.find() is None
    assert (await desk.cache.stats()).entries == 0


async def test_a_long_conversation_is_reworded_beside_the_others() -> None:
    desk = Desk()
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 600_000}]}
    inquiry = await desk.inquiry(body)
    shelved = desk.asking.shelved("other", inquiry)
    asked = await desk.asking.asked("other", inquiry, shelved)
    assert json.loads(asked.call.body) == body | {"model": "gpt"}
