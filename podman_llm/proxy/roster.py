"""Who there is to ask at this moment: the pod by its known state, the fallbacks by their words."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs

from podman_llm.config.models import RoutingSettings
from podman_llm.core.breaker import Admission
from podman_llm.core.failover import Effect, judge_status
from podman_llm.core.pricing import beyond
from podman_llm.core.routing import MODELS, POD, Alternative, Plan, PodView, plan
from podman_llm.errors import UpstreamError
from podman_llm.proxy.backends import Backend
from podman_llm.proxy.circuits import Circuits
from podman_llm.proxy.inquiry import Inquiry
from podman_llm.proxy.targets import Target, Targets
from podman_llm.upstreams.base import HTML, Call, Upstream

_REMEMBERED_SESSIONS: Final = 4096
_LOOK_SECONDS: Final = 0.2
_PROBE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the pod as it was when it was made."""

    plan: Plan
    pod: PodView


_AT_WORK: Final = PodView(is_ready=True)
_POD_ALONE: Final = Planned(Plan((POD,)), _AT_WORK)


class Roster:
    """Plans attempts. ``pod`` is the upstream that reaches the pod."""

    def __init__(
        self,
        *,
        targets: Targets,
        pod: Upstream,
        backends: Sequence[Backend],
        circuits: Circuits,
        routing: RoutingSettings,
    ) -> None:
        self.backends = {backend.name: backend for backend in backends}
        self._targets = targets
        self._pod = pod
        self._circuits = circuits
        self._routing = routing
        self._left: OrderedDict[str, None] = OrderedDict()
        self._probing: set[asyncio.Task[None]] = set()

    def plan(self, inquiry: Inquiry) -> Planned:
        """Whom to ask, in order. May send a probe ahead to a pod that failed before."""
        pod = self._pod_view(inquiry)
        if pod is _AT_WORK and not self.backends:
            return _POD_ALONE  # as nearly always, for nearly everybody
        others = [self._alternative(backend, inquiry) for backend in self.backends.values()]
        is_stream = inquiry.ask.question.wants_stream
        return Planned(plan(pod, others, policy=inquiry.policy, is_stream=is_stream), pod)

    def hold_seconds(self, inquiry: Inquiry) -> float:
        """How long a request waits for the pod before anybody is asked; mostly not at all."""
        if inquiry.target.url is not None or inquiry.ask.directives.only_if_cached:
            return 0.0
        if not self.plan(inquiry).plan.is_held:
            return 0.0
        routing = self._routing
        is_stream = inquiry.ask.question.wants_stream
        seconds = routing.hold_stream_seconds if is_stream else routing.hold_body_seconds
        return min(seconds, routing.deadline_seconds)

    async def wait_for_pod(self, seconds: float) -> Target:
        """The pod once it is ready or no longer coming, at the latest after ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._until_it_came()
        return self._targets.snapshot()

    async def _until_it_came(self) -> None:
        # The record is a file that another process replaces: there is nothing to be woken by.
        while (target := self._targets.snapshot()).url is None and (  # noqa: ASYNC110 - as said
            target.is_coming or target.wakes
        ):
            await asyncio.sleep(_LOOK_SECONDS)

    def seen(self) -> Target:
        """The pod as of now."""
        return self._targets.snapshot()

    def has_moved(self, target: Target) -> bool:
        """Whether the pod is no longer what it was: its failures then are part of a plan."""
        return self._targets.snapshot().url != target.url

    def note(self, session: str, *, is_pod: bool) -> None:
        """Remember who answers a conversation."""
        if not is_pod:
            self._circuits.note_fallback()
        if not session:
            return
        self._left.pop(session, None)
        if not is_pod:
            self._left[session] = None
            if len(self._left) > _REMEMBERED_SESSIONS:
                self._left.popitem(last=False)

    async def close(self) -> None:
        """Call back what was sent ahead."""
        for task in self._probing:
            task.cancel()
        await asyncio.gather(*self._probing, return_exceptions=True)

    def _pod_view(self, inquiry: Inquiry) -> PodView:
        target = inquiry.target
        if target.url is None:
            return PodView(
                is_ready=False,
                is_coming=target.is_coming or inquiry.wakes,
                message=target.wakes if inquiry.wakes else target.message,
                is_over=target.is_over,
                retry_after=target.retry_after,
            )
        self._circuits.meet_pod(target.served_by)
        admission = self._circuits.admission(POD)
        if admission is Admission.PASS:
            return _AT_WORK
        if self._circuits.is_pod_unproven:
            if admission is Admission.TRY:
                self._send_probe(target)
            admission = Admission.NO
        shut, seconds = self._circuits.shut(POD)
        return PodView(
            is_ready=True,
            admission=admission,
            shut=shut,
            shut_seconds=seconds,
            is_left=inquiry.ask.session in self._left and self._circuits.is_pod_settling,
        )

    def _alternative(self, backend: Backend, inquiry: Inquiry) -> Alternative:
        needs = inquiry.ask.question.needs
        lack = backend.lack(needs)
        if not lack and inquiry.ceiling is not None:
            lack = beyond(backend.quote(needs), inquiry.ceiling)
        admission = self._circuits.admission(backend.name)
        why, seconds = self._circuits.shut(backend.name)
        return Alternative(backend.name, lack, admission, f"is left alone for now: {why}", seconds)

    def _send_probe(self, target: Target) -> None:
        """Nobody waits for it, so that a pod that is still dead costs no request a thing."""
        if self._probing:
            return
        task = asyncio.create_task(self._probe(target))
        self._probing.add(task)
        task.add_done_callback(self._probing.discard)

    async def _probe(self, target: Target) -> None:
        with self._circuits.asking(POD) as turn:
            try:
                async with asyncio.timeout(_PROBE_SECONDS):
                    answer = await self._pod.send(_question_for_models(target))
            except TimeoutError:
                turn.effect, turn.why = Effect.BAD, f"it was silent for {_PROBE_SECONDS:g} s"
            except UpstreamError as err:
                turn.effect, turn.why = Effect.BAD, str(err)
            else:
                answer.close()
                is_page = answer.content_type == HTML
                is_bad = judge_status(answer.status, is_pod=True, is_page=is_page).fails_over
                turn.effect = Effect.BAD if is_bad else Effect.GOOD
                turn.why = f"status {answer.status}"


def _question_for_models(target: Target) -> Call:
    headers = [(hdrs.USER_AGENT, "podman-llm")]
    if target.api_key is not None:
        headers.append((hdrs.AUTHORIZATION, f"Bearer {target.api_key}"))
    return Call(hdrs.METH_GET, f"{target.url}{MODELS}", tuple(headers), b"")
