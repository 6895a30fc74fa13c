"""Doing what was decided: each deed is one call, and its outcome is a value."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import Final, assert_never

from podman_llm.config.models import Settings
from podman_llm.core import naming
from podman_llm.core.deeds import (
    CreatePod,
    Deed,
    FetchLogs,
    LogTail,
    MakePlan,
    Nothing,
    Outcome,
    PlanFailed,
    Planned,
    Probe,
    TerminatePod,
)
from podman_llm.core.pod import PodRecord, WaitCause
from podman_llm.core.sight import CreateOutcome, Readiness
from podman_llm.errors import NoCapacity, PodmanLLMError, ProviderUnreachable
from podman_llm.pods.planning import Planner
from podman_llm.providers.base import CreateRequest, Prober, Provider
from podman_llm.state.owner import Owner, pod_key

LOG_LINES: Final = 20
"""Last lines kept of a failed pod: a Python traceback and what led to it."""
LOG_WIDTH: Final = 500
"""Characters kept of each."""


class Actuator:
    """The one place where the control plane acts on the world."""

    def __init__(
        self, *, provider: Provider, prober: Prober, owner: Owner, planner: Planner
    ) -> None:
        self._provider = provider
        self._prober = prober
        self._owner = owner
        self._planner = planner

    def do(self, deed: Deed, settings: Settings) -> Outcome | None:
        """The outcome, or None when there was nothing to do."""
        match deed:
            case Nothing():
                return None
            case MakePlan():
                return self._plan(settings)
            case CreatePod(record):
                return self._create(record)
            case TerminatePod(pod_id):
                return self._provider.terminate(pod_id)
            case FetchLogs(pod_id):
                return self._logs(pod_id)
            case Probe():
                return self._probe(deed)
            case _:
                assert_never(deed)

    def _plan(self, settings: Settings) -> Planned | PlanFailed:
        try:
            plan = self._planner(settings)
        except PodmanLLMError as err:
            return PlanFailed(err.exit_code, err.message, err.hint, _cause(err))
        return Planned(plan.spec, plan.candidates)

    def _create(self, record: PodRecord) -> CreateOutcome:
        digest = self._key_digest(record)
        return self._provider.create(
            CreateRequest(
                name=record.name,
                spec=record.spec,
                candidate=record.candidate,
                env={**record.spec.env, **marks(record, digest)},
                api_key_sha256=digest,
            )
        )

    def _logs(self, pod_id: str) -> LogTail:
        """What the container wrote last; if it never wrote, what its host did."""
        try:
            for source in ("pod", "system"):
                lines = self._provider.logs(pod_id, source=source, tail=LOG_LINES, follow=False)
                if kept := tuple(line.line[:LOG_WIDTH] for line in islice(lines, LOG_LINES)):
                    return LogTail(kept)
        except PodmanLLMError as err:
            return LogTail((f"(its log could not be read: {err.message})",))
        return LogTail(())

    def _probe(self, deed: Probe) -> Readiness:
        key = pod_key(self._owner, deed.name) if deed.is_keyed else None
        return self._prober.probe(
            deed.endpoint, served_name=deed.served_name, api_key=key, deep=deed.deep
        )

    def _key_digest(self, record: PodRecord) -> str | None:
        if not record.keyed:
            return None
        return hashlib.sha256(pod_key(self._owner, record.name).encode()).hexdigest()


def marks(record: PodRecord, key_digest: str | None) -> dict[str, str]:
    """What the pod's environment says of it; public, and enough to find and end it by."""
    told = {
        naming.OWNER_MARK: record.owner,
        naming.INTENT_MARK: record.name,
        naming.ATTEMPT_MARK: str(record.attempt),
        naming.DEADLINE_MARK: str(int(record.hard_deadline)),
        naming.MODEL_MARK: record.spec.model_store_id,
    }
    return told if key_digest is None else {**told, naming.KEY_MARK: key_digest}


def _cause(err: PodmanLLMError) -> WaitCause | None:
    match err:
        case NoCapacity():
            return WaitCause.CAPACITY
        case ProviderUnreachable():
            return WaitCause.UNREACHABLE
        case _:
            return None
