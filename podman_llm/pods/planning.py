"""From settings and catalogs to what is asked of the provider: one spec, candidates in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from podman_llm.config.model_store import bundled, find_model, is_hub_id, unknown_model
from podman_llm.config.models import PodSettings, Settings
from podman_llm.core.catalog import GpuOffer, ModelEntry
from podman_llm.core.estimate import hub_entry, with_estimate
from podman_llm.core.naming import LEASE_MARK
from podman_llm.core.pod import Candidate, PodSpec
from podman_llm.core.sizing import USABLE_SHARE, Sizing, Wishes, disk_gb, size
from podman_llm.host.clock import Clock
from podman_llm.pods import refusal
from podman_llm.providers.base import Provider

PORT: Final = 8000
ALIAS: Final = "podman-llm"
"""A name every pod answers to, so that an editor's settings survive a change of model."""

_AUTO: Final = "auto"


@dataclass(frozen=True)
class Plan:
    """What to ask for. ``excluded`` pairs a GPU (and cloud) with the reason against it.

    ``notes`` say what the plan had to assume.
    """

    spec: PodSpec
    candidates: tuple[Candidate, ...]
    excluded: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


Planner = Callable[[Settings], Plan]
"""Raises ConfigError, RefusedByCap, NoCapacity, ProviderRefused or ProviderUnreachable."""


class LivePlanner:
    """A ``Planner`` over the provider's live catalog.

    The catalog is asked again after ``max_age`` seconds: stock moves within minutes, and a round
    over the candidates asks for one plan only.
    """

    def __init__(self, provider: Provider, clock: Clock, *, max_age: float = 30.0) -> None:
        self._provider = provider
        self._clock = clock
        self._max_age = max_age
        self._offers: Sequence[GpuOffer] = ()
        self._read_at: float | None = None

    def __call__(self, settings: Settings) -> Plan:
        """Plan with what is on offer and what is paid for now."""
        if settings.provider.kind == "local":
            return plan_local(settings)
        whole = plan(settings, bundled().models, self._fresh_offers())
        whole = with_disk(whole, self._provider.disk_usd_per_gb_hour)
        return affordable(whole, self._provider.account().balance)

    def _fresh_offers(self) -> Sequence[GpuOffer]:
        now = self._clock.monotonic()
        if self._read_at is None or now - self._read_at > self._max_age:
            self._offers = self._provider.gpus()
            self._read_at = now
        return self._offers


def plan(settings: Settings, models: Iterable[ModelEntry], offers: Sequence[GpuOffer]) -> Plan:
    """The spec and where to ask for it, best first; never without a candidate.

    Raises:
        ConfigError: no such model or GPU, or the model does not fit what was asked for.
        RefusedByCap: what fits costs more than the ceiling.
        NoCapacity: what fits is sold out.
    """
    model, notes = _model(settings, tuple(models))
    wishes = _wishes(settings)
    refusal.require_choosable(model, wishes, offers)
    sizing = size(model, offers, wishes)
    if not sizing.candidates:
        raise refusal.no_candidate(model, wishes, offers, sizing)
    excluded = tuple((place.what, place.reason) for place in sizing.excluded)
    return Plan(_spec(settings, model, sizing), sizing.candidates, excluded, notes)


def with_disk(whole: Plan, usd_per_gb_hour: float | None) -> Plan:
    """The plan with what the container's disk costs at each place, which is the same at all."""
    if usd_per_gb_hour is None:
        return whole
    disk = usd_per_gb_hour * whole.spec.disk_gb
    places = (replace(place, disk_per_hour=disk) for place in whole.candidates)
    return replace(whole, candidates=tuple(places))


def affordable(whole: Plan, balance: float | None) -> Plan:
    """The plan without places of which ``balance`` (USD) does not pay an hour.

    RunPod demands that much, and at $0 it ends pods with all that is on them. A balance that
    nobody tells forbids nothing.

    Raises:
        ProviderRefused: it pays for none of them.
    """
    if balance is None:
        return whole
    paid = tuple(place for place in whole.candidates if place.price_per_hour <= balance)
    if not paid:
        raise refusal.no_balance(whole.candidates, balance)
    dear = tuple(
        (f"{place.gpu_name} ({place.cloud})", f"the balance of ${balance:.2f} pays no hour of it")
        for place in whole.candidates
        if place not in paid
    )
    return replace(whole, candidates=paid, excluded=(*whole.excluded, *dear))


def plan_local(settings: Settings) -> Plan:
    """A command on this machine as the pod: one candidate that costs nothing, nothing sized."""
    model = find_model(settings.modelStoreId, bundled().models) or hub_entry(settings.modelStoreId)
    spec = PodSpec(
        model_store_id=model.model_store_id,
        hf_id=model.hf_id,
        revision=model.revision,
        # A command that is given the model's id serves it under that very name.
        served_names=tuple(dict.fromkeys((model.hf_id, *_served_names(model)))),
        context=settings.pod.context or 0,
        image="",
        command=settings.provider.local_command,
        port=PORT,
        disk_gb=0,
        min_cuda=None,
        env={},
        template_id=None,
        network_volume_id=None,
    )
    return Plan(spec, (Candidate("local", "this machine", 1, "local", None, 0.0, 0.0, "HIGH"),), ())


def _model(
    settings: Settings, models: tuple[ModelEntry, ...]
) -> tuple[ModelEntry, tuple[str, ...]]:
    model_id = settings.modelStoreId
    entry = find_model(model_id, models)
    if entry is None and not is_hub_id(model_id):
        raise unknown_model(model_id, models)
    entry = entry or hub_entry(model_id)
    if entry.weights_gb:
        return entry, ()
    guess = with_estimate(entry)
    if not guess.weights_gb:
        return entry, (f"{model_id} is not in the Model Store; nothing is known of its size.",)
    reading = f"{guess.parameters_b:g}B parameters, {guess.quantisation}, {guess.weights_gb:g} GB"
    return guess, (f"{model_id} is not in the Model Store; its name reads as {reading}.",)


def _wishes(settings: Settings) -> Wishes:
    pod, gpu = settings.pod, settings.gpu_type_id
    gpu_ids = (gpu,) if isinstance(gpu, str) else gpu
    return Wishes(
        gpu_ids=() if _AUTO in gpu_ids else gpu_ids,
        gpu_count=None if pod.gpu_count == _AUTO else pod.gpu_count,
        clouds=("SECURE",) if pod.network_volume_id else pod.clouds,
        data_center_ids=pod.data_center_ids,
        max_price_per_hour=settings.price_ceiling,
        context=pod.context,
        min_cuda=pod.min_cuda_version,
    )


def _spec(settings: Settings, model: ModelEntry, sizing: Sizing) -> PodSpec:
    pod = settings.pod
    context = pod.context or (sizing.context if model.context else 0)
    return PodSpec(
        model_store_id=model.model_store_id,
        hf_id=model.hf_id,
        revision=model.revision,
        served_names=_served_names(model),
        context=context,
        image=pod.image,
        command=_command(model, pod, context),
        port=PORT,
        disk_gb=pod.disk_gb or disk_gb(model.weights_gb or _largest_vram(sizing)),
        min_cuda=_newest(model.min_cuda, pod.min_cuda_version),
        env=_env(pod),
        template_id=settings.template_id,
        network_volume_id=pod.network_volume_id,
    )


def _command(model: ModelEntry, pod: PodSettings, context: int) -> tuple[str, ...]:
    revision = () if model.revision == "main" else ("--revision", model.revision)
    return (
        *("vllm", "serve", model.hf_id),
        *revision,
        *("--host", "0.0.0.0", "--port", str(PORT)),  # noqa: S104 - inside the pod; RunPod's proxy must reach it
        *("--served-model-name", *_served_names(model)),
        *("--max-model-len", str(context) if context else "auto"),
        *("--gpu-memory-utilization", f"{USABLE_SHARE:.2f}"),
        *("--tensor-parallel-size", "{gpu_count}"),
        *model.vllm_args,
        *pod.vllm_args,
    )


def _served_names(model: ModelEntry) -> tuple[str, ...]:
    return tuple(dict.fromkeys((model.model_store_id, model.hf_id, ALIAS)))


def _env(pod: PodSettings) -> dict[str, str]:
    """RunPod puts the secret in at boot, so that its value is in nobody's answer."""
    env = {}
    if pod.hf_token_secret is not None:
        env["HF_TOKEN"] = f"{{{{ RUNPOD_SECRET_{pod.hf_token_secret} }}}}"
    if pod.lease_seconds:
        env[LEASE_MARK] = str(int(pod.lease_seconds))
    return env


def _largest_vram(sizing: Sizing) -> float:
    return max(place.vram_gb * place.gpu_count for place in sizing.candidates)


def _newest(one: str | None, other: str | None) -> str | None:
    versions = [version for version in (one, other) if version]
    return max(versions, key=lambda text: [int(part) for part in text.split(".")], default=None)
