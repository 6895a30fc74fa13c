from __future__ import annotations

import pytest
from pydantic import ValidationError

from podman_llm.config.models import Settings
from podman_llm.state.desired import Desired, load_desired, save_desired
from podman_llm.state.paths import StatePaths


def test_a_wish_with_real_settings_comes_back_as_it_was(paths: StatePaths) -> None:
    settings = Settings().model_dump(mode="json", by_alias=True)
    wish = Desired(generation=2, want="up", settings=settings, requested_at=1_795_000_000.25)
    assert load_desired(paths) is None
    save_desired(paths, wish)
    loaded = load_desired(paths)
    assert loaded == wish
    assert Settings.model_validate(loaded.settings) == Settings()


@pytest.mark.parametrize("change", [{"want": "sideways"}, {"generation": 0}, {"now": "yes"}])
def test_a_wish_that_means_nothing_cannot_be_made(change: dict[str, object]) -> None:
    fields = {"generation": 1, "want": "up", "settings": {}, "requested_at": 0.0} | change
    with pytest.raises(ValidationError):
        Desired.model_validate(fields)
