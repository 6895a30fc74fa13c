"""The numbers of ``/metrics``: flat JSON for ``curl`` and ``jq``, or text for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass

from podman_llm.cache.base import CacheStats
from podman_llm.state.activity import ActivitySummary
from podman_llm.telemetry.metrics import Metric


@dataclass(frozen=True)
class Numbers:
    """All workers together; ``cache`` is None where nothing is kept. Times are seconds."""

    activity: ActivitySummary
    cache: CacheStats | None
    uptime: float
    pod_state: str

    def as_json(self) -> dict[str, object]:
        """The numbers by the names that people look for."""
        activity, cache = self.activity, self.cache
        return {
            "requests": activity.requests,
            "in_flight": activity.in_flight,
            "errors": activity.errors,
            "cache_hits": activity.hits,
            "cache_misses": activity.misses,
            "cache_bypassed": activity.bypassed,
            "cache_coalesced": activity.coalesced,
            "cache_stale": activity.stale,
            "cache_hit_rate": round(activity.hit_rate or 0.0, 4),
            "cache_entries": cache.entries if cache else 0,
            "cache_size_bytes": cache.size_bytes if cache else 0,
            "cache_max_entries": cache.max_entries if cache else 0,
            "cache_max_bytes": cache.max_bytes if cache else 0,
            "cache_healthy": cache.healthy if cache else False,
            "failed_attempts": activity.failed_attempts,
            "fallback_answers": activity.fallbacks,
            "circuits": dict(activity.circuits),
            "last_request_at": activity.last_counted_at,
            "uptime_seconds": round(self.uptime, 3),
            "pod_state": self.pod_state,
        }

    def as_metrics(self) -> list[Metric]:
        """The same for a scraper; rates and totals are its own to compute."""
        activity = self.activity
        requests = {
            "hit": activity.hits,
            "miss": activity.misses,
            "bypass": activity.bypassed,
            "coalesced": activity.coalesced,
        }
        name = "podman_llm_requests_total"
        meaning = "Requests answered from the cache or meant for the upstream."
        return [
            *(
                Metric(name, "counter", meaning, count, {"cache": word})
                for word, count in requests.items()
            ),
            Metric(
                "podman_llm_errors_total",
                "counter",
                "Requests that we answered with a 5xx, or whose answer was cut.",
                activity.errors,
            ),
            Metric(
                "podman_llm_requests_in_flight",
                "gauge",
                "Requests that keep the upstream busy now.",
                activity.in_flight,
            ),
            Metric(
                "podman_llm_stale_answers_total",
                "counter",
                "Requests that got an answer past its time.",
                activity.stale,
            ),
            *self._routing_metrics(),
            *self._cache_metrics(),
            Metric("podman_llm_uptime_seconds", "gauge", "Age of this worker.", self.uptime),
            Metric(
                "podman_llm_pod_state",
                "gauge",
                "1, with the phase of the pod as a label.",
                1,
                {"state": self.pod_state},
            ),
        ]

    def _routing_metrics(self) -> list[Metric]:
        return [
            Metric(
                "podman_llm_failed_attempts_total",
                "counter",
                "Attempts after which another upstream was asked, or the request refused.",
                self.activity.failed_attempts,
            ),
            Metric(
                "podman_llm_fallback_answers_total",
                "counter",
                "Answers of others in the pod's place.",
                self.activity.fallbacks,
            ),
            *(
                Metric(
                    "podman_llm_circuit_state",
                    "gauge",
                    "1, with an upstream and the state of its circuit as labels.",
                    1,
                    {"upstream": name, "state": state},
                )
                for name, state in self.activity.circuits.items()
            ),
        ]

    def _cache_metrics(self) -> list[Metric]:
        if self.cache is None:
            return []
        return [
            Metric("podman_llm_cache_entries", "gauge", "Answers kept.", self.cache.entries),
            Metric("podman_llm_cache_bytes", "gauge", "Their size.", self.cache.size_bytes),
            Metric(
                "podman_llm_cache_healthy",
                "gauge",
                "1 while the cache's disk works.",
                int(self.cache.healthy),
            ),
        ]
