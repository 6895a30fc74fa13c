from __future__ import annotations

import re

from podman_llm.telemetry import names


def test_every_name_is_one_dotted_word_and_means_one_thing() -> None:
    told = [value for name, value in vars(names).items() if name.isupper()]
    assert told
    assert len(set(told)) == len(told)
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", each) for each in told)
