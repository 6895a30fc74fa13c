from __future__ import annotations

import pytest

from podman_llm.config.outbound import DIRECT, Outbound, outbound_of_environment

OFFICE = {"http": "http://proxy:3128", "https": "http://me:secret@proxy:3128"}


@pytest.mark.parametrize(
    ("named", "url", "proxy"),
    [
        (OFFICE, "https://api.openai.com/v1", OFFICE["https"]),
        (OFFICE, "http://pod.example/v1", OFFICE["http"]),
        (OFFICE, "http://localhost:8000/v1", None),
        (OFFICE, "http://127.0.0.2:8000/v1", None),
        (OFFICE, "http://[::1]:8000/v1", None),
        ({"all": "http://proxy:1"}, "https://api.openai.com", "http://proxy:1"),
        ({"https": "proxy:3128"}, "https://api.openai.com", "http://proxy:3128"),
        ({"https": "socks5://proxy:1080"}, "https://api.openai.com", None),
        ({"https": "HTTP://proxy:3128"}, "https://api.openai.com", "HTTP://proxy:3128"),
        ({"https": "http://[::1"}, "https://api.openai.com", "http://[::1"),
        (OFFICE | {"no": "openai.com"}, "https://api.openai.com", None),
        (OFFICE | {"no": ".example:8443"}, "https://pod.example:8443", None),
        (OFFICE | {"no": ".example:8443"}, "https://pod.example", OFFICE["https"]),
        (OFFICE | {"no": "*"}, "https://api.openai.com", None),
        ({"http": "http://proxy:3128"}, "https://api.openai.com", None),
    ],
)
def test_a_proxy_is_for_the_world_outside_and_for_what_it_is_named_for(
    named: dict[str, str], url: str, proxy: str | None
) -> None:
    assert Outbound(named).to(url) == proxy
    assert DIRECT.to(url) is None


def test_the_environment_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "intern.example")
    outbound = outbound_of_environment()
    assert outbound.to("https://api.openai.com") == "http://proxy:3128"
    assert outbound.to("https://intern.example") is None
