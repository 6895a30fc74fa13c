"""Who may share a call to the upstream with whom.

Two requests share one where one answer fits both: the same question, of the same tenant, and
nobody among them who asked for an answer of their own. What may be kept may be shared by any number
at once. What may not, because the policy wants a new answer for each who asks, is shared only with
a client that left and asks the very same again: its first call is still running for nobody.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from podman_llm.core.cachekey import CacheKey


@dataclass(frozen=True, slots=True)
class Ticket:
    """What decides whether a request boards a call that runs already.

    ``flight`` is the same for all whom one answer fits, empty for who flies alone. ``is_shared``
    says that any number may ride at once. ``max_age`` is the age in seconds that a call must not
    have reached when it is boarded. ``session`` and ``asked_at`` tell a retry from a question asked
    again, as in ``core.cachekey``.
    """

    flight: str = ""
    is_shared: bool = False
    max_age: float | None = None
    session: str = ""
    asked_at: str = ""

    def may_board(self, leader: Ticket, *, age: float, is_deserted: bool) -> bool:
        """Whether to join the call that ``leader`` began ``age`` seconds ago, rather than call."""
        if not self.flight or self.flight != leader.flight:
            return False
        if self.max_age is not None and age >= self.max_age:
            return False
        if self.session and self.session == leader.session and self.asked_at != leader.asked_at:
            return False  # the person wants another answer than the one under way
        return is_deserted or (self.is_shared and leader.is_shared)


ALONE = Ticket()
"""For an answer that nobody else may have."""


def shared_ticket(
    key: CacheKey, *, way: str, wants_usage: bool, session: str, max_age: float | None
) -> Ticket:
    """The ticket of a request whose answer may be kept.

    ``way`` is what else decides who will answer. The usage chunk at the end of a stream is no part
    of the key, because a replay can leave it out; a running call either has it or has it not.
    """
    return Ticket(
        flight=f"{key.digest} {way} {'with' if wants_usage else 'without'} usage",
        is_shared=True,
        max_age=max_age,
        session=session,
        asked_at=key.asked_at,
    )


def retry_ticket(body: bytes, *, target: str, tenant: str) -> Ticket:
    """The ticket of a request that only its own retry may join: bytes for bytes the same.

    ``target`` is its path with its query, ``tenant`` what its client shows to be let in.
    """
    return Ticket(hashlib.sha256(json.dumps([target, tenant]).encode() + body).hexdigest())
