from __future__ import annotations

import pytest

from podman_llm.config.models import Settings
from podman_llm.config.origins import DEFAULT, Kind, Origin, dotted_keys, leaves, masked, value_at


def test_every_setting_has_one_dotted_key_and_the_schema_line_has_none() -> None:
    keys = list(dotted_keys())
    assert len(keys) == len(set(keys))
    assert {"modelStoreId", "pod.max_price_per_hour", "cache.policy"} < set(keys)
    assert not {"$schema", "schema_", "pod"} & set(keys)


def test_a_dotted_key_leads_to_its_value() -> None:
    settings = Settings()
    assert value_at(settings, "pod.idle_seconds") == settings.pod.idle_seconds


def test_a_table_inside_a_setting_is_its_value_and_not_a_group() -> None:
    tree = {"pod": {"image": {"a": 1}}, "proxy_port": 1}
    assert list(leaves(tree, frozenset(dotted_keys()))) == ["pod.image", "proxy_port"]


def test_an_origin_says_where_to_look() -> None:
    assert str(Origin(Kind.FILE, "pod_config.json", 4)) == "pod_config.json line 4"
    assert str(Origin(Kind.FILE, "pod_config.json")) == "pod_config.json"
    assert str(Origin(Kind.ENVIRONMENT, "CACHE_DIR")) == "environment CACHE_DIR"
    assert str(DEFAULT) == "default"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://localhost:8001/v1", "http://localhost:8001/v1"),
        ("https://me:geheim@host:1/v1", "https://***@host:1/v1"),
        ("https://host/v1?key=geheim", "https://host/v1?***"),
        ("http://[geheim", "***"),
        ("text", "text"),
        (5, 5),
    ],
)
def test_a_url_is_shown_without_what_it_may_hide(value: object, shown: object) -> None:
    assert masked(value) == shown
