from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.config.models import Settings
from podman_llm.config.recall import recall
from podman_llm.errors import StateError

_SOURCE = Path("desired.json")


def test_what_was_written_is_followed() -> None:
    settings = Settings(proxy_port=8123)
    assert recall(settings.model_dump(mode="json", by_alias=True), _SOURCE) == settings


def test_each_setting_of_another_version_is_named_and_no_value_shown() -> None:
    with pytest.raises(StateError, match=r"desired\.json .*: proxy\.speed, colour$") as refused:
        recall({"colour": "hunter2", "proxy": {"speed": "hunter2"}}, _SOURCE)
    assert "SIGTERM, which ends no pod" in refused.value.hint
    assert "hunter2" not in refused.value.message
