"""Settings that were written down with a wish, for whoever acts on it later."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from podman_llm.config.models import Settings
from podman_llm.errors import StateError


def recall(written: Mapping[str, Any], source: Path) -> Settings:
    """The settings that ``source`` holds.

    Raises:
        StateError: another version of the program wrote them, and this one cannot follow them all.
    """
    try:
        return Settings.model_validate(written)
    except ValidationError as err:
        refused = err.errors(include_url=False, include_input=False)
        named = ", ".join(".".join(map(str, one["loc"])) for one in refused)
        raise StateError(
            f"{source} holds settings that this podman-llm does not know: {named}",
            hint="use the podman-llm that wrote it; if its daemon is still another one, end that "
            "with SIGTERM, which ends no pod, and give the command again",
        ) from err
