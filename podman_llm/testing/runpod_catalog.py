"""What the made-up RunPod sells: GPU types, data centres, stock.

Ids and VRAM are RunPod's; prices are indicative, because real ones move within minutes. The stock
is mixed on purpose: some types are plentiful, some are in one place only, some are sold out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

LEVELS: Final = ("NONE", "LOW", "MEDIUM", "HIGH")
"""Stock levels, scarcest first."""


@dataclass(frozen=True)
class DataCenterRow:
    """One data centre; ``country`` is the ISO code that the catalog filters by."""

    id: str
    name: str
    region: str
    country: str
    global_network: bool = False


@dataclass(frozen=True)
class GpuRow:
    """One GPU type. Prices are USD per GPU and hour, 0 where that cloud does not sell it.

    ``stock`` reads ``"EU-RO-1:HIGH US-KS-2:LOW"``; ``cuda`` is what its hosts' drivers offer,
    lowest first; ``most`` is how many one pod may have, on the secure and on the community cloud.
    """

    id: str
    name: str
    pool: str | None
    memory: int
    secure: float
    community: float
    stock: str
    most: tuple[int, int] = (8, 4)
    cuda: str = "12.6 12.8 12.9 13.0"

    def price(self, cloud: str) -> float:
        """USD per GPU and hour on ``cloud``."""
        return self.secure if cloud == "SECURE" else self.community

    def most_on(self, cloud: str) -> int:
        """How many GPUs one pod may have on ``cloud``; 0 where it is not sold."""
        if not self.price(cloud):
            return 0
        return self.most[0] if cloud == "SECURE" else self.most[1]

    def levels(self) -> dict[str, str]:
        """Stock by data centre id."""
        entries = (entry.partition(":") for entry in self.stock.split())
        return {data_center: level for data_center, _, level in entries}

    def cuda_versions(self) -> tuple[str, ...]:
        """CUDA versions on offer, lowest first."""
        return tuple(self.cuda.split())


DATA_CENTERS: Final = (
    DataCenterRow("US-KS-2", "US Kansas 2", "NORTH_AMERICA", "US", global_network=True),
    DataCenterRow("US-TX-3", "US Texas 3", "NORTH_AMERICA", "US", global_network=True),
    DataCenterRow("US-CA-2", "US California 2", "NORTH_AMERICA", "US"),
    DataCenterRow("CA-MTL-1", "CA Montreal 1", "NORTH_AMERICA", "CA"),
    DataCenterRow("EU-RO-1", "EU Romania 1", "EUROPE", "RO", global_network=True),
    DataCenterRow("EU-SE-1", "EU Sweden 1", "EUROPE", "SE"),
    DataCenterRow("EU-CZ-1", "EU Czechia 1", "EUROPE", "CZ"),
    DataCenterRow("EUR-IS-1", "Europe Iceland 1", "EUROPE", "IS", global_network=True),
    DataCenterRow("AP-JP-1", "AP Japan 1", "ASIA", "JP"),
)

_PRO_6000 = "NVIDIA RTX PRO 6000 Blackwell"
_BLACKWELL_CUDA = "12.8 12.9 13.0"

GPUS: Final = (
    GpuRow(
        "NVIDIA RTX A4000", "RTX A4000", "AMPERE_16", 16, 0.25, 0.17, "EU-RO-1:HIGH US-KS-2:LOW"
    ),
    GpuRow("NVIDIA RTX 2000 Ada Generation", "RTX 2000 Ada", None, 16, 0.24, 0, "EUR-IS-1:MEDIUM"),
    GpuRow("NVIDIA RTX A4500", "RTX A4500", "AMPERE_16", 20, 0.25, 0.19, "EU-SE-1:LOW"),
    GpuRow(
        "NVIDIA RTX 4000 Ada Generation", "RTX 4000 Ada", "ADA_20", 20, 0.26, 0, "EU-RO-1:MEDIUM"
    ),
    GpuRow(
        "NVIDIA RTX A5000", "RTX A5000", "AMPERE_24", 24, 0.27, 0.16, "EU-SE-1:HIGH US-TX-3:HIGH"
    ),
    GpuRow("NVIDIA L4", "L4", "AMPERE_24", 24, 0.44, 0, "EU-RO-1:HIGH US-KS-2:MEDIUM"),
    GpuRow("NVIDIA GeForce RTX 3090", "RTX 3090", "AMPERE_24", 24, 0.50, 0.22, "EU-CZ-1:MEDIUM"),
    GpuRow(
        "NVIDIA GeForce RTX 4090",
        "RTX 4090",
        "ADA_24",
        24,
        0.69,
        0.34,
        "EU-RO-1:HIGH EUR-IS-1:MEDIUM US-TX-3:LOW",
    ),
    GpuRow(
        "NVIDIA GeForce RTX 5090",
        "RTX 5090",
        "ADA_32_PRO",
        32,
        0.99,
        0.69,
        "EUR-IS-1:LOW US-CA-2:MEDIUM",
        cuda=_BLACKWELL_CUDA,
    ),
    GpuRow("NVIDIA RTX 5000 Ada Generation", "RTX 5000 Ada", None, 32, 0.69, 0, "US-TX-3:NONE"),
    GpuRow("NVIDIA A40", "A40", "AMPERE_48", 48, 0.49, 0.35, "CA-MTL-1:MEDIUM EU-SE-1:HIGH"),
    GpuRow(
        "NVIDIA RTX A6000", "RTX A6000", "AMPERE_48", 48, 0.49, 0.33, "EU-SE-1:MEDIUM US-KS-2:LOW"
    ),
    GpuRow("NVIDIA L40", "L40", "ADA_48_PRO", 48, 0.99, 0, "EU-RO-1:LOW"),
    GpuRow("NVIDIA L40S", "L40S", "ADA_48_PRO", 48, 0.86, 0.79, "EU-RO-1:MEDIUM US-KS-2:HIGH"),
    GpuRow(
        "NVIDIA RTX 6000 Ada Generation",
        "RTX 6000 Ada",
        "ADA_48_PRO",
        48,
        0.79,
        0,
        "US-TX-3:MEDIUM",
    ),
    GpuRow(
        "NVIDIA A100 80GB PCIe",
        "A100 PCIe",
        "AMPERE_80",
        80,
        1.64,
        1.19,
        "EU-CZ-1:LOW US-KS-2:HIGH",
    ),
    GpuRow(
        "NVIDIA A100-SXM4-80GB", "A100 SXM", "AMPERE_80", 80, 1.74, 0, "EU-RO-1:MEDIUM US-KS-2:HIGH"
    ),
    GpuRow(
        f"{_PRO_6000} Server Edition",
        "RTX PRO 6000",
        None,
        96,
        1.79,
        0,
        "EU-CZ-1:HIGH US-CA-2:MEDIUM",
        cuda=_BLACKWELL_CUDA,
    ),
    GpuRow(
        f"{_PRO_6000} Server Edition MIG 1g.24gb",
        "RTX PRO 6000 MIG 24",
        None,
        24,
        0.80,
        0,
        "EU-CZ-1:LOW",
        most=(1, 0),
        cuda=_BLACKWELL_CUDA,
    ),
    GpuRow("NVIDIA H100 PCIe", "H100 PCIe", "ADA_80_PRO", 80, 2.39, 1.99, "US-KS-2:MEDIUM"),
    GpuRow(
        "NVIDIA H100 80GB HBM3", "H100 SXM", "ADA_80_PRO", 80, 2.69, 0, "EU-CZ-1:LOW US-TX-3:HIGH"
    ),
    GpuRow("NVIDIA H100 NVL", "H100 NVL", "ADA_80_PRO", 94, 2.79, 0, "US-KS-2:NONE"),
    GpuRow("NVIDIA H200", "H200 SXM", "HOPPER_141", 141, 3.59, 0, "EUR-IS-1:LOW US-CA-2:HIGH"),
    GpuRow(
        "NVIDIA B200", "B200", "BLACKWELL_180", 180, 5.98, 0, "US-CA-2:LOW", cuda=_BLACKWELL_CUDA
    ),
    GpuRow("AMD Instinct MI300X OAM", "MI300X", None, 192, 2.49, 0, "EU-RO-1:LOW", cuda=""),
)

CPUS: Final = {"cpu3c": 0.03, "cpu5c": 0.04, "cpu3g": 0.04}
"""CPU flavours and their USD per vCPU and hour; memory is twice the vCPUs in GB."""


_TEMPLATE: Final[dict[str, Any]] = {
    "args": "",
    "mounts": {},
    "env": {},
    "registry": None,
    "serverless": False,
    "public": True,
    "category": "NVIDIA",
    "startSsh": False,
    "startJupyter": False,
    "allowedCudaVersions": [],
}

TEMPLATES: Final = (
    _TEMPLATE
    | {"id": "vllm0pod01", "name": "vLLM", "image": "vllm/vllm-openai:v0.32.0", "disk": 80}
    | {"ports": ["8000/http"], "env": {"HF_HUB_DISABLE_TELEMETRY": "1"}},
    _TEMPLATE
    | {"id": "vllm0queue", "name": "vLLM queue", "image": "runpod/worker-vllm:v0.27.1"}
    | {"ports": [], "disk": 80, "serverless": True},
    _TEMPLATE
    | {"id": "runpod-ubuntu", "name": "Ubuntu", "image": "runpod/base:1.0.2-ubuntu2404"}
    | {"ports": ["22/tcp"], "disk": 20, "category": "CPU"},
)
"""Templates of the account: one for pods, one for serverless workers, one for CPU pods."""

VOLUMES: Final = (
    {"id": "vol0weights", "name": "weights", "size": 200, "dataCenter": "EU-RO-1"}
    | {"type": "STANDARD"},
)
"""Network volumes of the account."""

REGISTRIES: Final = ({"id": "reg0private", "name": "private"},)
"""Registry credentials of the account."""


def by_id(rows: tuple[dict[str, Any], ...]) -> dict[str, dict[str, Any]]:
    """Rows of a new account, to add to."""
    return {row["id"]: dict(row) for row in rows}


def find_gpu(gpu_id: str) -> GpuRow | None:
    """The type with exactly this id: MIG slices are types of their own."""
    return next((gpu for gpu in GPUS if gpu.id == gpu_id), None)


def data_center_name(data_center_id: str) -> str:
    """The name people read."""
    return next(row.name for row in DATA_CENTERS if row.id == data_center_id)


def version(text: str) -> tuple[int, ...]:
    """A CUDA version as numbers: 12.11 is above 12.2."""
    return tuple(int(part) for part in text.split("."))


def best_level(levels: list[str]) -> str:
    """The best of several stock levels; NONE of no level at all."""
    return max(levels, key=LEVELS.index, default="NONE")
