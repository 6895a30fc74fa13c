"""Services that answer in the pod's place."""

from __future__ import annotations

from dataclasses import dataclass

from podman_llm.core.abilities import Needs, Offer, lack
from podman_llm.core.rewording import Wording, reword
from podman_llm.proxy.inquiry import Inquiry
from podman_llm.upstreams.base import Call, Upstream


@dataclass(frozen=True, slots=True)
class Backend:
    """One service, ready to be asked.

    ``url`` is its base without ``/v1``. ``problem`` says why it cannot be asked at all, as a phrase
    that follows its name.
    """

    name: str
    upstream: Upstream
    offer: Offer
    wording: Wording
    url: str
    api_key: str | None = None
    problem: str = ""

    def lack(self, needs: Needs) -> str:
        """Why it cannot honour a request; empty if it can."""
        return self.problem or lack(needs, self.offer)

    def served_by(self, model: str) -> str:
        """What an answer says of its origin; ``model`` is the name that was asked for."""
        return f"{self.name}/{self.offer.model_for(model)}"

    def tag(self, model: str) -> str:
        """Under which its answers are kept, apart from everybody else's."""
        return f"{self.served_by(model)} at {self.url}"

    def call(self, inquiry: Inquiry) -> Call:
        """The request in the service's words."""
        needs = inquiry.ask.question.needs
        model = self.offer.model_for(needs.model) or ""
        body = reword(inquiry.ask.body, needs.endpoint, model, self.wording)
        return inquiry.to_service(self.url, self.api_key, body)
