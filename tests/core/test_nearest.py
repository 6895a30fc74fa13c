from __future__ import annotations

import pytest

from podman_llm.core.nearest import did_you_mean, nearest

KEYS = ["proxy_port", "pod.max_price_per_hour", "pod.clouds", "cache_dir", "runtime_seconds"]


@pytest.mark.parametrize(
    ("word", "best"),
    [
        ("nginx_port", "proxy_port"),
        ("Proxy_Port", "proxy_port"),
        ("max_price_per_hour", "pod.max_price_per_hour"),
        ("cloud", "pod.clouds"),
        ("price", "pod.max_price_per_hour"),
    ],
)
def test_the_nearest_name_comes_first(word: str, best: str) -> None:
    assert nearest(word, KEYS)[0] == best


def test_a_word_like_none_of_them_has_no_nearest() -> None:
    assert nearest("zzz", KEYS) == ()
    assert did_you_mean("zzz", KEYS) == ""


def test_at_most_a_few_are_offered_in_a_sentence() -> None:
    names = ["aab", "aac", "aad", "aae"]
    assert nearest("aaa", names) == ("aab", "aac", "aad")
    assert did_you_mean("aaa", names) == " Did you mean `aab`, `aac` or `aad`?"
    assert did_you_mean("aaa", names[:1]) == " Did you mean `aab`?"
