"""Why an ``up`` failed, in words that say what happened and what to do.

Also which ends of a pod are failures at all, and which of those another attempt may mend.
"""

from __future__ import annotations

from typing import Final

from podman_llm.core.deeds import PlanFailed
from podman_llm.core.pod import PodRecord, StopReason, WaitCause
from podman_llm.core.sight import NotCreated, Refusal
from podman_llm.core.wording import duration, money, place, subject
from podman_llm.core.world import Verdict, World

ENDED_AS_ASKED: Final = frozenset(
    {
        StopReason.USER,
        StopReason.EXPIRY,
        StopReason.IDLE,
        StopReason.LEASE,
        StopReason.BUDGET,
        StopReason.SUPERSEDED,
        StopReason.ORPHAN,
    }
)
"""Ends that are no failure; the pod is not made again for the same ``up``."""

WORTH_ANOTHER: Final = frozenset(
    {
        StopReason.PROVISION_TIMEOUT,
        StopReason.BROKEN_HOST,
        StopReason.PRICE,
        StopReason.LOST,
    }
)
"""Failures of a place rather than of what was asked: another place may do better."""

FAILURES: Final = frozenset(StopReason) - ENDED_AS_ASKED
"""Ends whose last log lines are worth keeping."""

_FAILED, _NOT_FOUND, _NO_CAPACITY, _UNREACHABLE = 1, 4, 5, 6
_STILL_BILLING, _REFUSED, _ACCOUNT = 7, 8, 9

_HINTS = {
    StopReason.PROVISION_TIMEOUT: "Other GPUs or data centres may be quicker (gpu_type_id, "
    "pod.data_center_ids); pod.provision_timeout_seconds says how long to wait.",
    StopReason.BOOT_TIMEOUT: "The last log lines say how far it came; a slow download needs a "
    "larger max_startup_attempts, a failing model other pod.vllm_args or a larger GPU.",
    StopReason.CRASH_LOOP: "The last log lines say why the server died; out of memory needs a "
    "smaller pod.context or a larger GPU.",
    StopReason.EXITED: "The last log lines say why it ended; an empty account also stops pods.",
    StopReason.KEY_REFUSED: "Something else answers on the pod's port: check template_id, "
    "pod.image and pod.vllm_args for an --api-key of their own.",
    StopReason.BROKEN_HOST: "Another data centre may do (pod.data_center_ids).",
    StopReason.PRICE: "Raise pod.max_price_per_hour, or choose a cheaper GPU.",
    StopReason.FATAL_CONFIG: "The last log lines say what ran instead: template_id or pod.image "
    "may replace the entrypoint or lack python3; pod.require_guard = false does without.",
    StopReason.LOST: "It was ended by somebody else or by the provider; look at the provider's "
    "console, then run `podman-llm up` again.",
}


def may_pass(verdict: Verdict) -> bool:
    """Whether it failed for something that mends itself, rather than a person must."""
    return verdict.exit_code in {_NO_CAPACITY, _UNREACHABLE}


def outlives_down(verdict: Verdict) -> bool:
    """Whether it still concerns whoever wants no pod any more: something may be billing."""
    return verdict.exit_code == _STILL_BILLING


def may_try_again(record: PodRecord, world: World) -> bool:
    """Whether another pod may be rented for the same ``up`` after this one has ended."""
    is_worth = record.reason in WORTH_ANOTHER
    return is_worth and record.billed_before + 1 < world.limits.max_billed_attempts


def of_ended(record: PodRecord, world: World) -> Verdict | None:
    """The verdict on a pod that is proved gone; None when it ended as asked, or is tried again."""
    if record.reason is None or record.reason in ENDED_AS_ASKED or may_try_again(record, world):
        return None
    attempts = record.billed_before + 1
    tries = f" That was attempt {attempts}, and the last." if attempts > 1 else ""
    spent = money(record.spent(world.now))
    message = (
        f"The {subject(record)} was ended: {record.reason_detail}. "
        f"It is proved gone and cost about {spent}.{tries}"
    )
    code = _REFUSED if record.reason is StopReason.PRICE else _FAILED
    return _verdict(world, code, message, _HINTS[record.reason])


def refused(world: World, outcome: NotCreated) -> Verdict:
    """The provider will not make a pod until a person acts."""
    said = outcome.message
    match outcome.refusal:
        case Refusal.BALANCE:
            hint = "Add credit in the provider's console, then run `podman-llm up` again."
            return _verdict(world, _ACCOUNT, f"The account's balance is too low: {said}", hint)
        case Refusal.AUTH:
            hint = "Check RUNPOD_API_KEY: the key must be valid and may create pods."
            return _verdict(world, _ACCOUNT, f"The API key was refused: {said}", hint)
        case _:
            hint = "Correct what the message names in pod_config.json; nothing was rented."
            return _verdict(world, _FAILED, f"The provider refused the request: {said}", hint)


def nothing_free(world: World, cause: WaitCause | None, detail: str) -> Verdict:
    """Every place was asked, for as long as was allowed. Without a cause waiting was in vain."""
    record, waiting = world.book.record, world.book.waiting
    tried = "; ".join(said for _, said in record.refusals) if record and record.is_open else ""
    told = tried or detail
    waited = duration(world.reading.wall - waiting.since) if waiting else "0 s"
    match cause:
        case WaitCause.UNREACHABLE | WaitCause.RATE:
            hint = "Check the network and https://uptime.runpod.io, then run `podman-llm up` again."
            message = f"The provider could not be asked for a pod in {waited}: {told}"
            return _verdict(world, _UNREACHABLE, message, hint)
        case WaitCause.CAPACITY:
            hint = (
                "Allow more places (gpu_type_id, pod.clouds, pod.data_center_ids, "
                "pod.max_price_per_hour), or wait longer (pod.wait_capacity_seconds)."
            )
            return _verdict(world, _NO_CAPACITY, f"Nothing was free in {waited}: {told}", hint)
        case None:
            hint = "As none of them was merely full, the request itself is suspect: check pod."
            return _verdict(world, _FAILED, f"Every place refused the request: {told}", hint)


def no_plan(world: World, outcome: PlanFailed) -> Verdict:
    """What to run could not be worked out."""
    return _verdict(world, outcome.exit_code, outcome.message, outcome.hint)


def over_cap(world: World, why: str) -> Verdict:
    """A cap of the person's own forbids it."""
    hint = "Nothing was rented. `podman-llm cost` shows what was spent; the group `budget` caps it."
    return _verdict(world, _REFUSED, f"A cap forbids it: {why}", hint)


def no_list(world: World) -> Verdict:
    """What runs could not be found out for too long."""
    message = f"What runs is unknown since {duration(world.blind_for)}: {world.view.why}"
    hint = "Nothing was rented. Check the provider's console, then run `podman-llm up` again."
    return _verdict(world, _UNREACHABLE, message, hint)


def not_adopted(world: World) -> Verdict:
    """The pod that was to be taken over is gone, not ours, or serves another model."""
    message = f"Pod {world.wish.adopt} cannot be taken over: it is not there, or not as it was"
    hint = "`podman-llm ps --all` shows what there is; `podman-llm down` ends what is ours."
    return _verdict(world, _NOT_FOUND, message, hint)


def not_ours(world: World, pod_id: str) -> Verdict:
    """A pod we took for ours carries another owner's mark."""
    message = f"Pod {pod_id} carries another owner's mark; it is left alone and may be billing"
    hint = f"If it is yours, end pod {pod_id} in the provider's console."
    return _verdict(world, _STILL_BILLING, message, hint)


def over_price(record: PodRecord, price: float | None, ceiling: float) -> str:
    """Why the price ends a pod; ``price`` is None where the provider never told one."""
    if price is None:
        return f"the provider did not say what {place(record.candidate)} costs"
    return f"{place(record.candidate)} costs {money(price)}/h, the ceiling is {money(ceiling)}/h"


def _verdict(world: World, exit_code: int, message: str, hint: str) -> Verdict:
    return Verdict(world.wish.generation, exit_code, message, hint, world.reading.wall)
