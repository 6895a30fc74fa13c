from __future__ import annotations

from pathlib import Path

from podman_llm.bootstrap.answers import open_cache
from podman_llm.config.models import Settings


def test_a_cache_that_cannot_be_opened_costs_only_the_cache(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    cache, problem = open_cache(Settings(cache_dir=blocker))
    assert "cache" in problem
    assert cache is None or problem


def test_no_cache_is_made_where_none_is_wanted(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    assert open_cache(Settings(cache_dir=directory, max_cache_size=0)) == (None, "")
    assert not directory.exists()
