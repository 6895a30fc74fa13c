"""Services that answer in the pod's place."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from podman_llm.config.models import BackendSettings
from podman_llm.core.abilities import Ability, Needs, Offer, lack
from podman_llm.core.bedrock_fit import misfit
from podman_llm.core.charges import micros
from podman_llm.core.completion import Endpoint
from podman_llm.core.converse_models import known_model
from podman_llm.core.dialects import translate
from podman_llm.core.pricing import UNPRICED, Price, Quote, quote
from podman_llm.core.rewording import Wording, reword
from podman_llm.core.routing import locate
from podman_llm.proxy.inquiry import Inquiry
from podman_llm.upstreams.base import Call, Upstream
from podman_llm.upstreams.translated import TranslatedUpstream

OPENAI: Final = "https://api.openai.com/v1"
"""Where a service of the kind ``openai`` is, if the settings do not say."""
_BEDROCK_ANSWER: Final = known_model("").default_max_tokens
"""Bedrock's own upstream sets this limit where a request sets none."""
_Misfit = Callable[[Needs, str], str]
_CHAT: Final = locate(f"/v1/{Endpoint.CHAT}")


@dataclass(frozen=True, slots=True)
class Backend:
    """One service, ready to be asked.

    ``url`` is its base without ``/v1``, empty where the upstream knows it. ``problem`` says why it
    cannot be asked at all, as a phrase that follows its name. ``longest_answer`` is in tokens, of
    the answer to a request that sets no limit; None if only the service knows.
    ``misfit`` says why the model that a request would go to cannot honour it, where that is known
    better than by what is declared.
    """

    name: str
    upstream: Upstream
    offer: Offer
    wording: Wording
    url: str
    api_key: str | None = None
    problem: str = ""
    price: Price = UNPRICED
    longest_answer: int | None = None
    misfit: _Misfit | None = None

    def lack(self, needs: Needs) -> str:
        """Why it cannot honour a request; empty if it can."""
        why_not = self.problem or lack(needs, self.offer)
        if why_not or self.misfit is None:
            return why_not
        return self.misfit(needs, self.offer.model_for(needs.model) or "")

    def quote(self, needs: Needs) -> Quote:
        """What a request costs there at most."""
        return quote(needs, self.price, self.longest_answer)

    def served_by(self, model: str) -> str:
        """What an answer says of its origin; ``model`` is the name that was asked for."""
        return f"{self.name}/{self.offer.model_for(model)}"

    def tag(self, model: str) -> str:
        """Under which its answers are kept, apart from everybody else's."""
        return f"{self.served_by(model)} {self.url}".rstrip()

    def asked(self, inquiry: Inquiry) -> tuple[Upstream, Call]:
        """The request in the service's words, and who gives its answer in the client's."""
        upstream, ask, needs = self.upstream, inquiry.ask, inquiry.ask.question.needs
        if needs.endpoint is not None and self.offer.translates(needs.endpoint):
            translation = translate(needs.endpoint, json.loads(ask.body))
            upstream = TranslatedUpstream(upstream, translation)
            ask = replace(ask, route=_CHAT, query="", body=json.dumps(translation.chat).encode())
        model = self.offer.model_for(needs.model) or ""
        body = reword(ask.body, ask.route.endpoint, model, self.wording)
        return upstream, replace(inquiry, ask=ask).to_service(self.url, self.api_key, body)


def backend_of(
    settings: BackendSettings, upstream: Upstream, *, api_key: str | None = None, problem: str = ""
) -> Backend:
    """The service as the settings declare it, reached through ``upstream``."""
    is_openai = settings.kind == "openai"
    return Backend(
        name=settings.name,
        upstream=upstream,
        offer=Offer(
            abilities=frozenset(settings.abilities),
            endpoints=frozenset(settings.endpoints),
            models=settings.models,
            context=settings.context,
        ),
        wording=Wording(
            takes_vllm_fields=Ability.VLLM_FIELDS in settings.abilities,
            limit_field=settings.max_tokens_field if is_openai else "",
            limit=settings.max_answer_tokens,
        ),
        url=(settings.base_url or OPENAI).rstrip("/").removesuffix("/v1") if is_openai else "",
        # AWS's upstreams sign what they send.
        api_key=None if settings.is_aws else api_key,
        problem=problem,
        price=Price(
            prompt=_micros(settings.input_usd_per_million),
            answer=_micros(settings.output_usd_per_million),
        ),
        longest_answer=settings.max_answer_tokens or (None if is_openai else _BEDROCK_ANSWER),
        misfit=None if is_openai else misfit,
    )


def _micros(usd: float | None) -> int | None:
    return None if usd is None else micros(usd)
