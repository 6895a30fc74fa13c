from __future__ import annotations

from podman_llm.cache.base import CacheStats, Entry


def test_an_entry_weighs_its_body_and_its_headers() -> None:
    entry = Entry(200, (("content-type", "text/plain"),), b"12345", 0.0, "pod/a")
    assert entry.size == 5 + len("content-type") + len("text/plain")


def test_a_cache_is_healthy_unless_it_says_otherwise() -> None:
    assert CacheStats(1, 2, 3, 4).healthy
