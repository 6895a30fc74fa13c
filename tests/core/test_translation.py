from __future__ import annotations

from podman_llm.core.translation import Untranslatable


def test_what_cannot_be_said_names_its_place() -> None:
    err = Untranslatable("tools.0 has no name", param="tools.0")
    assert (str(err), err.message, err.param) == (err.message, "tools.0 has no name", "tools.0")
