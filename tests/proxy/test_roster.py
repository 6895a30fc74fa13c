from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from podman_llm.config.models import BackendSettings, RoutingSettings
from podman_llm.core.abilities import Needs
from podman_llm.core.breaker import BreakerPolicy
from podman_llm.core.completion import Endpoint
from podman_llm.core.failover import Effect
from podman_llm.core.routing import NO_DIRECTIVES, POD, Directives, Policy, locate
from podman_llm.errors import UpstreamUnreachable
from podman_llm.proxy.backends import backend_of
from podman_llm.proxy.circuits import Circuits
from podman_llm.proxy.inquiry import Inquiry
from podman_llm.proxy.questions import Ask, Question
from podman_llm.proxy.roster import Roster
from podman_llm.proxy.targets import FixedTarget, Target
from podman_llm.testing.clock import FakeClock
from podman_llm.upstreams.base import Answer, Call
from tests.proxy.failover_rig import BOOTING
from tests.proxy.rig import StaticTargets

READY = FixedTarget("http://pod", api_key="pllm-1").snapshot()
WAITING = replace(READY, **BOOTING)


class Pod:
    """An upstream that answers probes with a status, or not at all."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.status: int | None = 200
        self.content_type = "application/json"
        self.headers = ()
        self.answered = asyncio.Event()

    async def send(self, call: Call) -> Answer:
        self.calls.append(call)
        await self.answered.wait()
        if self.status is None:
            raise UpstreamUnreachable("refused")
        return self  # type: ignore[return-value]  # its status is known by now

    async def read(self) -> bytes:
        return b""

    def close(self) -> Any:
        """Of the answer, and, awaited, of the upstream."""


class Desk:
    def __init__(self, names: Sequence[str] = (), **routing: Any) -> None:
        self.clock = FakeClock()
        self.targets = StaticTargets(READY)
        self.pod = Pod()
        self.circuits = Circuits(
            tuple(names), policy=BreakerPolicy(), clock=self.clock, chance=lambda: 0.5
        )
        backends = [
            BackendSettings.model_validate({"name": name, "models": {"*": "m"}}) for name in names
        ]
        self.roster = Roster(
            targets=self.targets,
            pod=self.pod,
            backends=[backend_of(one, self.pod) for one in backends],
            circuits=self.circuits,
            routing=RoutingSettings.model_validate(routing),
        )

    def planned(self, target: Target = READY, session: str = "") -> tuple[str, ...]:
        return self.roster.plan(an_inquiry(target, session=session)).plan.attempts


def an_inquiry(
    target: Target,
    *,
    stream: bool = True,
    policy: Policy = Policy.AUTO,
    session: str = "",
    directives: Directives = NO_DIRECTIVES,
) -> Inquiry:
    question = Question(wants_stream=stream, needs=Needs(Endpoint.CHAT, "x"))
    ask = Ask(locate("/chat/completions"), "", b"{}", question, directives, session)
    return Inquiry("POST", {}, ask, None, "MISS", "r", target, policy)


def test_the_pod_comes_first_and_then_the_services_in_their_order() -> None:
    desk = Desk(["a", "b"])
    assert desk.planned() == (POD, "a", "b")
    assert desk.planned(WAITING) == ("a", "b")
    desk.circuits.force("a", is_open=True)
    assert desk.planned() == (POD, "b")


@pytest.mark.parametrize(
    ("target", "stream", "policy", "directives", "seconds"),
    [
        (READY, True, Policy.HOLD, NO_DIRECTIVES, 0),
        (WAITING, True, Policy.AUTO, NO_DIRECTIVES, 270),
        (WAITING, False, Policy.AUTO, NO_DIRECTIVES, 0),
        (WAITING, False, Policy.HOLD, NO_DIRECTIVES, 50),
        (WAITING, True, Policy.FAIL, NO_DIRECTIVES, 0),
        (WAITING, True, Policy.HOLD, Directives(only_if_cached=True), 0),
        (replace(WAITING, is_coming=False), True, Policy.HOLD, NO_DIRECTIVES, 0),
    ],
)
def test_who_waits_and_for_how_long(
    target: Target, stream: bool, policy: Policy, directives: Directives, seconds: float
) -> None:
    inquiry = an_inquiry(target, stream=stream, policy=policy, directives=directives)
    assert Desk().roster.hold_seconds(inquiry) == seconds


def test_a_stream_waits_for_the_pod_when_everybody_else_would_cost_too_much() -> None:
    inquiry = an_inquiry(WAITING)
    assert Desk(["a"]).roster.hold_seconds(inquiry) == 0
    assert Desk(["a"]).roster.hold_seconds(replace(inquiry, ceiling=0)) == 270


async def test_waiting_ends_with_the_pod_with_hope_or_with_time() -> None:
    desk = Desk()
    assert await desk.roster.wait_for_pod(60) is READY
    desk.targets.target = replace(WAITING, is_coming=False)
    assert (await desk.roster.wait_for_pod(60)).url is None
    desk.targets.target = WAITING
    assert await desk.roster.wait_for_pod(0.01) is WAITING
    waiting = asyncio.create_task(desk.roster.wait_for_pod(60))
    await asyncio.sleep(0)
    desk.targets.target = READY
    assert await waiting is READY


def open_and_due(desk: Desk) -> None:
    desk.planned()
    desk.circuits.learn(POD, Effect.GRAVE, "refused")
    desk.clock.advance(6)


async def test_a_pod_that_failed_gets_one_probe_and_no_request_meanwhile() -> None:
    desk = Desk()
    desk.planned()
    desk.circuits.learn(POD, Effect.GRAVE, "refused")
    assert desk.planned() == ()
    desk.clock.advance(6)
    assert desk.planned() == desk.planned() == ()
    await asyncio.sleep(0)
    assert desk.planned() == ()
    [call] = desk.pod.calls
    assert (call.method, call.url) == ("GET", "http://pod/v1/models")
    assert dict(call.headers)["Authorization"] == "Bearer pllm-1"
    await desk.roster.close()


@pytest.mark.parametrize(
    ("status", "kind", "is_well"),
    [
        (200, "application/json", True),
        (401, "application/json", True),
        (404, "text/html", False),
        (502, "text/html", False),
        (None, "", False),
    ],
)
async def test_a_probe_tells_whether_the_pod_is_there(
    status: int | None, kind: str, is_well: bool
) -> None:
    desk = Desk()
    desk.pod.status, desk.pod.content_type = status, kind
    desk.pod.answered.set()
    open_and_due(desk)
    assert desk.planned() == ()
    await asyncio.gather(*desk.roster._probing)
    assert desk.planned() == ((POD,) if is_well else ())
    assert desk.circuits.states()[POD] == ("HALF_OPEN" if is_well else "OPEN")


async def test_a_silent_pod_is_not_probed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podman_llm.proxy.roster._PROBE_SECONDS", 0.01)
    desk = Desk()
    open_and_due(desk)
    desk.planned()
    await asyncio.gather(*desk.roster._probing)
    assert desk.circuits.shut(POD) == ("it was silent for 0.01 s", 20.0)


def test_a_conversation_that_left_stays_away_while_the_pod_proves_itself() -> None:
    desk = Desk(["a"])
    desk.roster.note("ses_1", is_pod=False)
    assert desk.planned(session="ses_1") == ("a", POD)
    assert desk.planned(session="ses_2") == (POD, "a")
    desk.roster.note("ses_1", is_pod=True)
    assert desk.planned(session="ses_1") == (POD, "a")


def test_only_so_many_conversations_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podman_llm.proxy.roster._REMEMBERED_SESSIONS", 2)
    desk = Desk(["a"])
    for number in range(3):
        desk.roster.note(f"ses_{number}", is_pod=False)
    assert desk.planned(session="ses_0") == (POD, "a")
    assert desk.planned(session="ses_2") == ("a", POD)


def test_a_pod_that_moved_failed_by_plan() -> None:
    desk = Desk()
    assert not desk.roster.has_moved(READY)
    desk.targets.target = WAITING
    assert desk.roster.has_moved(READY)
    assert desk.roster.seen() is WAITING
