from __future__ import annotations

import pytest
from pydantic import ValidationError

from podman_llm.config.models import Settings


def test_the_names_that_people_have_in_their_files_are_top_level_keys() -> None:
    given = {
        "modelStoreId": "gpt-oss-20b",
        "gpu_type_id": ["NVIDIA L4", "NVIDIA A40"],
        "template_id": "t",
        "runtime_seconds": 3600,
        "proxy_port": 8000,
        "cache_dir": "/tmp/c",
        "max_cache_size": 5,
        "max_cache_bytes": 6,
        "enable_profiling": True,
        "use_https": False,
        "ssl_cert": None,
        "ssl_key": None,
        "initial_wait_seconds": 1,
        "max_startup_attempts": 2,
        "poll_interval_seconds": 3,
    }
    assert Settings.model_validate(given).gpu_type_id == ("NVIDIA L4", "NVIDIA A40")


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"nginx_port": 1})


def test_settings_survive_the_way_through_the_desired_state() -> None:
    settings = Settings.model_validate({"gpu_type_id": ["a", "b"], "cache_dir": "/tmp/c"})
    again = Settings.model_validate(settings.model_dump(mode="json", by_alias=True))
    assert again == settings


@pytest.mark.parametrize("off", [{"max_cache_size": 0}, {"max_cache_bytes": 0}])
def test_a_cache_without_room_is_off(off: dict[str, int]) -> None:
    assert Settings().caches
    assert not Settings.model_validate(off).caches


def test_the_url_names_localhost_for_every_local_address() -> None:
    everywhere = Settings.model_validate({"proxy": {"host": "0.0.0.0"}, "use_https": True})
    assert Settings().url == "http://localhost:8000/v1"
    assert everywhere.url == "https://localhost:8000/v1"
    lan = Settings.model_validate({"proxy": {"host": "10.0.0.5"}, "proxy_port": 81})
    assert lan.url == "http://10.0.0.5:81/v1"


def test_the_boot_timeout_is_the_wait_and_every_probe() -> None:
    settings = Settings(initial_wait_seconds=10, max_startup_attempts=6, poll_interval_seconds=5)
    assert settings.boot_timeout_seconds == 40


def test_one_pod_may_cost_what_both_ceilings_allow() -> None:
    def ceiling(**groups: dict[str, float | None]) -> float | None:
        return Settings.model_validate(groups).price_ceiling

    assert ceiling(pod={"max_price_per_hour": 2.0}) == 2.0
    assert ceiling(pod={"max_price_per_hour": 2.0}, budget={"max_usd_per_hour": 1.0}) == 1.0
    assert ceiling(pod={"max_price_per_hour": None}) is None
