"""Where answers are kept: in memory before a directory."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from podman_llm.cache.base import Cache
from podman_llm.cache.disk import DiskStore, open_disk_cache
from podman_llm.cache.memory import MemoryCache
from podman_llm.cache.threaded import DiskCache
from podman_llm.cache.tiered import TieredCache
from podman_llm.config.directories import user_cache_dir
from podman_llm.config.models import Settings
from podman_llm.errors import ConfigError
from podman_llm.host.clock import SystemClock

_CLOCK: Final = SystemClock()


def cache_directory(settings: Settings) -> Path:
    """Where answers are kept."""
    return settings.cache_dir or user_cache_dir() / "answers"


def open_cache(settings: Settings) -> tuple[Cache | None, str]:
    """The tiers, or None and why: the proxy serves without a cache rather than not at all."""
    if not settings.caches:
        return None, ""
    try:
        store = open_store(settings)
    except ConfigError as err:
        return None, err.message
    store.prepare()
    memory = MemoryCache(max_entries=settings.max_cache_size, max_bytes=settings.cache.memory_bytes)
    return TieredCache(memory, DiskCache(store)), store.stats().problem


def open_store(settings: Settings) -> DiskStore:
    """The disk tier, for callers without an event loop.

    Raises:
        ConfigError: the directory is not ours alone.
    """
    return open_disk_cache(
        cache_directory(settings),
        max_entries=settings.max_cache_size,
        max_bytes=settings.max_cache_bytes,
        clock=_CLOCK,
    )
