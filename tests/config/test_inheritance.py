from __future__ import annotations

import os
import subprocess
import sys

import pytest

from podman_llm.config.inheritance import drop_keys, inherited
from podman_llm.config.models import Settings


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_1")
    monkeypatch.setenv("RUNPOD_ENDPOINT_API_KEY", "sk-1")
    monkeypatch.setenv("LANGUAGE", "en")


def test_a_child_sees_everything_but_the_keys() -> None:
    seen = inherited()
    assert seen["LANGUAGE"] == "en"
    assert "rpa_1" not in seen.values()
    assert "sk-1" not in seen.values()


def test_a_child_sees_no_key_of_a_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_API_KEY", "sk-2")
    backend = {"name": "other", "models": {"*": "m"}, "key_name": "OTHER_API_KEY"}
    settings = Settings.model_validate({"fallback": {"backends": [backend]}})
    assert "sk-2" in inherited().values()
    assert "sk-2" not in inherited(settings).values()


def test_dropped_keys_are_inherited_by_nobody() -> None:
    drop_keys()
    assert "RUNPOD_API_KEY" not in os.environ
    code = "import os; print('RUNPOD_API_KEY' in os.environ)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout == "False\n"
