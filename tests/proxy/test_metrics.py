from __future__ import annotations

from podman_llm.cache.base import CacheStats
from podman_llm.proxy.metrics import Numbers
from podman_llm.state.activity import ActivitySummary
from podman_llm.telemetry.metrics import prometheus_text

SUMMARY = ActivitySummary(
    in_flight=1,
    last_counted_at=9.0,
    requests=10,
    hits=6,
    misses=3,
    bypassed=1,
    errors=2,
    hit_rate=2 / 3,
    known=True,
)
NUMBERS = Numbers(SUMMARY, CacheStats(5, 600, 10, 1000), uptime=12.5, pod_state="READY")


def test_the_json_has_the_names_that_people_look_for() -> None:
    told = NUMBERS.as_json()
    assert told["requests"] == 10
    assert (told["cache_hits"], told["cache_misses"], told["cache_entries"]) == (6, 3, 5)
    assert told["cache_hit_rate"] == 0.6667
    assert told["in_flight"] == 1


def test_without_a_cache_its_numbers_are_zero_and_it_is_not_healthy() -> None:
    told = Numbers(SUMMARY, None, uptime=1, pod_state="NONE").as_json()
    assert (told["cache_entries"], told["cache_healthy"]) == (0, False)


def test_the_scraper_gets_counters_that_only_grow_and_no_rates() -> None:
    text = prometheus_text(NUMBERS.as_metrics())
    assert 'podman_llm_requests_total{cache="hit"} 6\n' in text
    assert "podman_llm_cache_bytes 600\n" in text
    assert 'podman_llm_pod_state{state="READY"} 1\n' in text
    assert "rate" not in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_a_scraper_hears_nothing_of_a_cache_that_is_not_there() -> None:
    text = prometheus_text(Numbers(SUMMARY, None, uptime=1, pod_state="NONE").as_metrics())
    assert "cache_entries" not in text
