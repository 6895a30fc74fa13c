from __future__ import annotations

import pytest

from podman_llm.cli.context import Context
from podman_llm.cli.serve import serve
from podman_llm.errors import ConfigError


def test_without_an_endpoint_the_error_says_where_to_give_one() -> None:
    with pytest.raises(ConfigError) as refused:
        serve.main([], obj=Context(), standalone_mode=False)
    assert "--endpoint" in refused.value.hint
    assert "RUNPOD_ENDPOINT" in refused.value.hint
