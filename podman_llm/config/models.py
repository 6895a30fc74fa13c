"""The settings: one frozen tree, validated; ``pod_config.json`` is its JSON.

The flat names on top are those that people already have in their files. What the design needs
beyond them is grouped. Each field's ``description`` is its documentation: the JSON Schema,
``config show`` and the reference in ``docs/configuration.md`` are made from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from podman_llm.core.abilities import Ability
from podman_llm.core.completion import Endpoint
from podman_llm.core.routing import Policy

Seconds = Annotated[float, Field(ge=0)]
Cloud = Literal["SECURE", "COMMUNITY"]


class _Group(BaseModel):
    """Unknown keys are errors: a typo must not silently mean the default."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PodSettings(_Group):
    """What to rent and for how much."""

    image: str = "vllm/vllm-openai:v0.32.0"
    """Container image with vLLM; pin a tag, hosts cache `latest`."""
    gpu_count: int | Literal["auto"] = "auto"
    """GPUs per pod; `auto` takes the fewest that the model fits on."""
    clouds: tuple[Cloud, ...] = ("SECURE", "COMMUNITY")
    """RunPod clouds to try, in order when prices are equal."""
    data_center_ids: tuple[str, ...] = ()
    """Data centres to try; empty means any."""
    max_price_per_hour: Annotated[float, Field(gt=0)] | None = 4.0
    """Ceiling in USD per hour for the whole pod; null means none."""
    idle_seconds: Seconds | None = 1800
    """End the pod after this long without a request that reached it; null means never."""
    max_extension_seconds: Seconds = 14400
    """How far `extend` may move the deadline past `runtime_seconds`; fixed when the pod is made."""
    context: Annotated[int, Field(ge=1024)] | None = None
    """Context window in tokens; null takes what fits the GPU, at most the model's own."""
    vllm_args: tuple[str, ...] = ()
    """Further arguments for `vllm serve`, after those of the catalog."""
    hf_token_secret: str | None = None
    """Name of a RunPod secret holding a Hugging Face token, for gated models."""
    network_volume_id: str | None = None
    """A RunPod network volume to keep weights on; it pins the data centre and the SECURE cloud."""
    min_cuda_version: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = "12.8"
    """Oldest CUDA the host's driver must offer; too old a host bills without ever starting."""
    disk_gb: Annotated[int, Field(ge=10)] | None = None
    """Container disk in GB; null computes it from the weights."""
    provision_timeout_seconds: Seconds = 900
    """End a pod whose container does not run after this long."""
    wait_capacity_seconds: Seconds = 600
    """How long `up` keeps asking while nothing is free; costs nothing."""
    max_billed_attempts: Annotated[int, Field(ge=1)] = 3
    """How many pods one `up` may rent and give back before it gives up; failed boots cost money."""
    max_restarts: Annotated[int, Field(ge=1)] = 2
    """Container restarts while booting before it counts as a crash loop."""
    drain_seconds: Seconds = 30
    """How long requests in flight may finish when the pod is ended for idleness."""
    require_guard: bool = True
    """End a pod whose guard, which ends it at its deadline without us, does not report in time."""
    lease_seconds: Annotated[float, Field(ge=300)] | None = None
    """The pod also ends itself after this long without us; null means that only deadlines do."""


class ProviderSettings(_Group):
    """Who makes pods, and where to reach it."""

    kind: Literal["runpod", "local"] = "runpod"
    """`runpod` rents; `local` starts a command on this machine as the pod."""
    api_base: str = "https://api.runpod.io"
    """Base URL of RunPod's API."""
    endpoint_template: str = "https://{pod_id}-{port}.proxy.runpod.net"
    """How a pod's serving port is reached."""
    connect_timeout_seconds: Annotated[float, Field(gt=0)] = 10
    """Time for a connection to the API."""
    read_timeout_seconds: Annotated[float, Field(gt=0)] = 60
    """Time for an answer of the API."""
    local_command: tuple[str, ...] = ()
    """For `local`: argv with `{port}` and `{model}` filled in."""
    settle_seconds: Seconds = 20
    """Two proofs of absence must be at least this far apart."""
    quarantine_seconds: Seconds = 180
    """How long a request whose answer was lost may still turn into a pod."""


class ProxySettings(_Group):
    """The endpoint on localhost."""

    host: str = "127.0.0.1"
    """Address to listen on; anything but loopback requires `api_keys_file`."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Proxy processes sharing the port."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    """Largest request body; a larger one is 413."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names accepted in `Host` besides localhost, 127.0.0.1 and ::1."""
    allowed_origins: tuple[str, ...] = ()
    """Web origins that may call the proxy from a page; empty means none."""
    api_keys_file: Path | None = None
    """File with one accepted client key per line, mode 0600."""
    connect_timeout_seconds: Annotated[float, Field(gt=0)] = 10
    """Time for a connection to the upstream."""
    idle_timeout_seconds: Annotated[float, Field(gt=0)] = 600
    """Longest silence of the upstream within one answer."""
    drain_seconds: Seconds = 30
    """How long a stopping worker lets answers finish."""
    linger_seconds: Seconds = 2
    """How long a call goes on whose client left: one that asks the same again finds it running."""
    access_log: bool = False
    """A line in the log for each request, not just for those that others answered, or nobody."""


class CacheSettings(_Group):
    """Which answers are kept, for how long."""

    policy: Literal["all", "deterministic", "off"] = "all"
    """`all` complete answers, only `deterministic` ones (temperature 0 or a seed), or `off`."""
    ttl_seconds: Annotated[float, Field(gt=0)] | None = None
    """Age at which an answer is asked for again; null means never."""
    stale_if_error: bool = False
    """Give an answer past `ttl_seconds` when nobody can give a new one."""
    memory_bytes: Annotated[int, Field(ge=0)] = 64 * 1024 * 1024
    """Memory tier of each worker."""
    max_entry_bytes: Annotated[int, Field(ge=1024)] = 8 * 1024 * 1024
    """A larger answer is relayed but not kept."""
    volatile_patterns: tuple[str, ...] = ()
    """Regular expressions cut from message text for the key only; `kilo` means its message time."""


class BackendSettings(_Group):
    """A service that answers in the pod's place."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    """What it is called in headers, errors and numbers."""
    kind: Literal["openai", "bedrock"] = "openai"
    """`openai` for whatever speaks OpenAI's HTTP, `bedrock` for Bedrock's own API."""
    models: dict[str, str]
    """Its model for each name that clients use; the name `*` stands for all others."""
    base_url: str | None = None
    """Where it is; null means OpenAI itself, and for `bedrock` Amazon's endpoint of the region."""
    key_name: Annotated[str, Field(pattern="^[A-Z][A-Z0-9_]*$")] | None = None
    """Variable or credential file with its key; null: none, or for `bedrock` AWS's own chain."""
    auth: Literal["key", "sigv4"] = "key"
    """For `openai`: `sigv4` signs with AWS's own chain, as Bedrock's `/openai/v1` understands."""
    region: str | None = None
    """For AWS: the region; null takes that of the environment or of `~/.aws/config`."""
    abilities: tuple[Ability, ...] = (Ability.TOOLS, Ability.JSON_SCHEMA, Ability.IMAGES)
    """What it can; a request that needs more is not sent there."""
    endpoints: tuple[Endpoint, ...] = (Endpoint.CHAT,)
    """What it answers; with `chat/completions` also `responses` and `messages`, by translation."""
    context: Annotated[int, Field(ge=1)] | None = None
    """Its context window in tokens; null means that it is not looked at."""
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """For `openai`: its name for the limit of a chat's answer; newer models know the first only."""
    max_answer_tokens: Annotated[int, Field(ge=1)] | None = None
    """Limit of the answer to a request that sets none; null: its own, 8192 tokens for `bedrock`."""
    input_usd_per_million: Annotated[float, Field(ge=0)] | None = None
    """USD for a million tokens that it reads; null is unknown, and never free."""
    output_usd_per_million: Annotated[float, Field(ge=0)] | None = None
    """USD for a million tokens that it writes; null is unknown, and never free."""

    @property
    def is_aws(self) -> bool:
        """Whether it is reached as AWS wants its services to be."""
        return self.kind == "bedrock" or self.auth == "sigv4"


class FallbackSettings(_Group):
    """Who answers while the pod cannot."""

    backends: tuple[BackendSettings, ...] = ()
    """Services to ask, in this order."""
    ttl_seconds: Annotated[float, Field(gt=0)] = 3600
    """Age at which their answers are asked for again; they are kept apart from the pod's."""


class RoutingSettings(_Group):
    """What happens to a request that the pod cannot answer at once."""

    policy: Policy = Policy.AUTO
    """`auto`: a fallback that can, else streams wait; `hold`: wait; `fallback`: at once; `fail`."""
    wake: bool = False
    """A request starts a pod again that was ended for idleness, for what is left of its time."""
    deadline_seconds: Annotated[float, Field(gt=0)] = 600
    """Longest time to an answer, all attempts together; for a stream to its first content."""
    max_usd_per_request: Annotated[float, Field(ge=0)] | None = None
    """Most USD that fallbacks may cost for one request, all attempts together; null: no cap."""
    first_content_seconds: Annotated[float, Field(gt=0)] = 120
    """Longest wait for a stream's first content while somebody else can still be asked."""
    hold_stream_seconds: Seconds = 270
    """How long a stream may wait for a pod that is coming; Kilo gives up after 300 s."""
    hold_body_seconds: Seconds = 50
    """How long any other request may; it shows no life, and load balancers cut such after 60 s."""
    quiet_seconds: Seconds = 5
    """How long a waiting stream can still get an error status; then it is 200 and kept alive."""
    keepalive_seconds: Annotated[float, Field(gt=0)] = 10
    """Time between two signs of life in a waiting stream."""
    show_loading: bool = False
    """Show in a waiting chat's reasoning what the pod is doing, besides keeping it alive."""
    failures: Annotated[int, Field(ge=1)] = 3
    """Failures in a row after which an upstream is left alone; at once if nobody is there."""
    open_seconds: Annotated[float, Field(gt=0)] = 5
    """For how long at first; each failed trial makes it four times as long."""
    longest_open_seconds: Annotated[float, Field(gt=0)] = 60
    """And at most."""
    good_calls: Annotated[int, Field(ge=1)] = 2
    """Calls that must go well before all requests return to an upstream."""
    settle_seconds: Seconds = 30
    """How long a conversation that went to a fallback stays there while the pod proves itself."""


class BudgetSettings(_Group):
    """What may be spent, and who is told before a pod ends."""

    max_usd_per_hour: Annotated[float, Field(gt=0)] | None = None
    """Most USD per hour over all pods that podman-llm made in the account; null means no cap."""
    max_pods: Annotated[int, Field(ge=1)] | None = None
    """Most pods that podman-llm may have in the account, from all machines; null means no cap."""
    max_usd_per_day: Annotated[float, Field(gt=0)] | None = None
    """Most USD per UTC day; becomes the pod's own hard deadline. Null means no cap."""
    max_usd_total: Annotated[float, Field(gt=0)] | None = None
    """Most USD over all pods of the ledger, ever; becomes the pod's own hard deadline."""
    warn_webhook: str | None = None
    """URL that warnings before a pod's end are sent to, as JSON by POST."""
    warn_desktop: bool = False
    """Show these warnings as desktop notifications, by `notify-send`."""


class Settings(_Group):
    """Everything podman-llm can be told."""

    schema_: str | None = Field(default=None, alias="$schema")
    """The JSON Schema of this file, for editors."""
    modelStoreId: str = "qwen3-coder-30b-a3b-awq"  # noqa: N815 - the name people have in files
    """A catalog id (`podman-llm catalog`), or any Hugging Face `org/name`."""
    gpu_type_id: str | tuple[str, ...] = "auto"
    """A RunPod GPU id, a list in order of preference, or `auto` for the cheapest that fits."""
    template_id: str | None = None
    """A RunPod template to base the pod on."""
    runtime_seconds: Annotated[float, Field(ge=60)] = 3600
    """The pod is ended this long after it was asked for, boot included; `extend` moves it."""
    proxy_port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """Port of the endpoint on localhost."""
    cache_dir: Path | None = None
    """Where answers are kept; null means the user's cache directory."""
    max_cache_size: Annotated[int, Field(ge=0)] = 10000
    """Most answers kept; 0 turns the cache off."""
    max_cache_bytes: Annotated[int, Field(ge=0)] = 1024 * 1024 * 1024
    """Most bytes kept on disk; 0 turns the cache off."""
    enable_profiling: bool = False
    """Serve `/debug/cache`."""
    use_https: bool = False
    """Serve the endpoint over TLS with `ssl_cert` and `ssl_key`."""
    ssl_cert: Path | None = None
    """PEM certificate chain."""
    ssl_key: Path | None = None
    """PEM private key."""
    initial_wait_seconds: Seconds = 10
    """Wait after the container runs before the first readiness probe."""
    max_startup_attempts: Annotated[int, Field(ge=1)] = 360
    """Readiness probes before the model counts as never ready and the pod is ended."""
    poll_interval_seconds: Annotated[float, Field(ge=0.1)] = 5
    """Seconds between looks at a pod that starts or stops."""
    endpoint: str | None = None
    """`serve` only: base URL of an OpenAI-compatible server made by hand."""

    pod: PodSettings = PodSettings()
    """What to rent."""
    provider: ProviderSettings = ProviderSettings()
    """Who makes pods."""
    proxy: ProxySettings = ProxySettings()
    """The endpoint on localhost."""
    cache: CacheSettings = CacheSettings()
    """Answers kept."""
    budget: BudgetSettings = BudgetSettings()
    """What may be spent."""
    fallback: FallbackSettings = FallbackSettings()
    """Who answers while the pod cannot."""
    routing: RoutingSettings = RoutingSettings()
    """What happens to a request that the pod cannot answer at once."""

    @property
    def price_ceiling(self) -> float | None:
        """Most USD per hour that one pod may cost."""
        ceilings = (self.pod.max_price_per_hour, self.budget.max_usd_per_hour)
        return min((one for one in ceilings if one is not None), default=None)

    @property
    def boot_timeout_seconds(self) -> float:
        """Longest time from a running container to an answering model."""
        return self.initial_wait_seconds + self.max_startup_attempts * self.poll_interval_seconds

    @property
    def caches(self) -> bool:
        """Whether anything is kept at all."""
        return self.cache.policy != "off" and bool(self.max_cache_size and self.max_cache_bytes)

    @property
    def url(self) -> str:
        """The base URL an editor is given."""
        scheme = "https" if self.use_https else "http"
        loopback = {"127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
        host = "localhost" if self.proxy.host in loopback else self.proxy.host
        return f"{scheme}://{host}:{self.proxy_port}/v1"
