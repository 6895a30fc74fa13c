"""RunPod's documents as our values, and our request as RunPod's document.

Read as it is written: what we need is checked, what we do not need may be missing, new or odd.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any, Final
from urllib.parse import quote

from podman_llm.core.catalog import DataCenter, GpuOffer, ModelEntry
from podman_llm.core.sight import PodSight, PodStatus
from podman_llm.providers.base import BilledHours, CreateRequest

VOLUME_PATH: Final = "/workspace"
"""Where a network volume appears in the pod; the place RunPod's own images use."""


class Malformed(ValueError):
    """A document lacks what we cannot do without; the text says what."""


@dataclass(frozen=True)
class Page:
    """One page of pods. ``cursor`` asks for the next one; None on the last."""

    pods: tuple[PodSight, ...]
    cursor: str | None


def pod_path(pod_id: str) -> str:
    """The path of one pod."""
    return f"/v2/pods/{quote(pod_id, safe='')}"


def create_body(request: CreateRequest, entrypoint: Sequence[str]) -> dict[str, Any]:
    """The body of ``POST /v2/pods``; ``entrypoint`` is argv before the command.

    ``disk`` and ``gpu.count`` are optional on paper, and without them no machine is ever found.
    """
    spec, place = request.spec, request.candidate
    env = dict(request.env)
    if request.api_key_sha256:
        env["PLLM_KEY_SHA256"] = request.api_key_sha256
    gpu: dict[str, Any] = {"id": place.gpu_id, "count": place.gpu_count}
    if spec.min_cuda:
        gpu["minCudaVersion"] = spec.min_cuda
    body: dict[str, Any] = {
        "name": request.name,
        "image": spec.image,
        "entrypoint": list(entrypoint),
        "cmd": [part.replace("{gpu_count}", str(place.gpu_count)) for part in spec.command],
        "disk": spec.disk_gb,
        "env": env,
        "ports": [f"{spec.port}/http"],
        "cloud": place.cloud,
        "gpu": gpu,
    }
    if place.data_center_id:
        body["dataCenterIds"] = [place.data_center_id]
    if spec.template_id:
        body["templateId"] = spec.template_id
    if spec.network_volume_id:
        body["mounts"] = {"network": [{"volumeId": spec.network_volume_id, "path": VOLUME_PATH}]}
        env.setdefault("HF_HOME", f"{VOLUME_PATH}/huggingface")
    return body


def pod_sight(document: object, endpoint_template: str) -> PodSight:
    """One pod.

    Raises:
        Malformed: it has no id, name or status, so that nobody could say which pod this is.
    """
    pod = _mapping(document, "a pod")
    pod_id, name, status = (_text(pod, key) for key in ("id", "name", "status"))
    gpu = _optional_mapping(pod.get("gpu"))
    env = _optional_mapping(pod.get("env"))
    port = _http_port(pod.get("ports"))
    return PodSight(
        pod_id=pod_id,
        name=name,
        status=_status(status),
        cost_per_hour=_number(pod.get("cost")),
        created_at=_moment(pod.get("createdAt")),
        started_at=_moment(pod.get("startedAt")),
        uptime=_number(_optional_mapping(pod.get("runtime")).get("uptime")),
        endpoint=port and endpoint_template.replace("{pod_id}", pod_id).replace("{port}", port),
        gpu_count=int(_number(gpu.get("count", 1)) or 0) if gpu else 0,
        gpu_id=_optional_text(gpu.get("id")),
        cloud=_optional_text(pod.get("cloud")),
        data_center_id=_optional_text(pod.get("dataCenterId")),
        env={key: str(value) for key, value in env.items()},
    )


def page(document: object, endpoint_template: str, *, first: bool) -> Page:
    """One page of the list of pods.

    The published document knows no pages; a list without ``pagination`` is therefore whole, but
    only where no cursor was used to get it.

    Raises:
        Malformed: anything that leaves open whether all pods were listed.
    """
    answer = _mapping(document, "the list of pods")
    pods = tuple(pod_sight(pod, endpoint_template) for pod in _list(answer, "pods"))
    if "pagination" not in answer and first:
        return Page(pods, None)
    pagination = _mapping(answer.get("pagination"), "pagination")
    more = pagination.get("hasNextPage")
    if more is False:
        return Page(pods, None)
    if more is not True:
        raise Malformed("pagination does not say whether there are more pods")
    return Page(pods, _text(pagination, "nextCursor"))


def billed(document: object) -> tuple[BilledHours, ...]:
    """The billing history, bucket by bucket.

    Raises:
        Malformed: a record cannot be read; a bill with a gap is no bill.
    """
    return tuple(
        _billed(_mapping(record, "a billing record"))
        for record in _list(_mapping(document, "the billing history"), "records")
    )


def _billed(record: Mapping[str, Any]) -> BilledHours:
    since, until = _moment(record.get("startTime")), _moment(record.get("endTime"))
    amount = _number(record.get("totalAmount"))
    if since is None or until is None or amount is None:
        raise Malformed("a billing record without times or amount")
    disk = _number(record.get("diskAmount"))
    return BilledHours(_text(record, "podId"), since, until, amount, disk)


def gpu_offers(document: object) -> tuple[GpuOffer, ...]:
    """The GPU catalog; an entry that cannot be read is left out, for it cannot be rented either.

    Raises:
        Malformed: there is no list of GPUs at all.
    """
    offers = []
    for entry in _list(_mapping(document, "the GPU catalog"), "gpus"):
        try:
            offers.append(_gpu_offer(_mapping(entry, "a GPU")))
        except Malformed:
            continue
    return tuple(offers)


def repository_models(document: object) -> tuple[ModelEntry, ...]:
    """Models of the account's repository that a pod can load: those that come from Hugging Face.

    RunPod tells neither size nor context, so these are 0, which stands for unknown. Uploads of the
    account's own (provider LOCAL) are left out: they attach to serverless endpoints only.

    Raises:
        Malformed: there is no list of models at all.
    """
    models = _list(_mapping(document, "the model repository"), "myModels")
    return tuple(
        _repository_model(owner, name)
        for model in map(_optional_mapping, models)
        if (owner := _optional_text(model.get("owner")))
        and (name := _optional_text(model.get("name")))
        and model.get("provider") != "LOCAL"
    )


def _repository_model(owner: str, name: str) -> ModelEntry:
    return ModelEntry(
        model_store_id=f"{owner}/{name}",
        name=name,
        hf_id=f"{owner}/{name}",
        revision="main",
        parameters_b=0.0,
        active_parameters_b=0.0,
        quantisation="",
        weights_gb=0.0,
        kv_bytes_per_token=0,
        context=0,
        vllm_args=(),
        tool_parser=None,
        reasoning_parser=None,
        min_cuda=None,
        gated=False,
        source="RunPod Model Repository",
        origin="repository",
    )


def _gpu_offer(gpu: Mapping[str, Any]) -> GpuOffer:
    vram = _number(gpu.get("memory"))
    if not vram:
        raise Malformed("a GPU without memory")
    price = _optional_mapping(gpu.get("price"))
    counts = _optional_mapping(gpu.get("maxCount"))
    gpu_id = _text(gpu, "id")
    return GpuOffer(
        gpu_id=gpu_id,
        name=_optional_text(gpu.get("name")) or gpu_id,
        manufacturer=_optional_text(gpu.get("manufacturer")) or "",
        vram_gb=vram,
        # A cloud that does not sell it has price null or 0.0; the flags alone tell.
        secure_price=(_number(price.get("secure")) or None) if gpu.get("secure") else None,
        community_price=(_number(price.get("community")) or None) if gpu.get("community") else None,
        max_count_secure=int(_number(counts.get("secure")) or 0),
        max_count_community=int(_number(counts.get("community")) or 0),
        availability=_availability(gpu),
        data_centers=tuple(
            DataCenter(_text(center, "id"), _availability(center))
            for center in map(_optional_mapping, _optional_list(gpu.get("dataCenters")))
            if center.get("id")
        ),
        cuda_versions=tuple(
            str(version["version"])
            for version in map(_optional_mapping, _optional_list(gpu.get("cudaVersions")))
            if version.get("version")
        ),
    )


def _availability(document: Mapping[str, Any]) -> str:
    return _optional_text(document.get("availability")) or "NONE"


def _status(word: str) -> PodStatus:
    # A word we do not know: the pod exists and may bill, and nothing says that it serves. As
    # STARTING it is watched, and ended if the time to start runs out.
    return PodStatus.__members__.get(word, PodStatus.STARTING)


def _http_port(ports: object) -> str | None:
    for port in _optional_list(ports):
        number, _, protocol = str(port).partition("/")
        if protocol == "http":
            return number
    return None


def _moment(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if isfinite(number) and number >= 0 else None


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{what} is no JSON object")
    return value


def _optional_mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(document: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = document.get(key)
    if not isinstance(value, list):
        raise Malformed(f"`{key}` is no list")
    return value


def _optional_list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise Malformed(f"`{key}` is no text")
    return value


def _optional_text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
