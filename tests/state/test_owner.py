from __future__ import annotations

import re
import secrets
import stat

import pytest

from podman_llm.errors import StateError
from podman_llm.host import files
from podman_llm.state.owner import Owner, load_or_create_owner, load_owner, pod_key
from podman_llm.state.paths import StatePaths


def test_the_owner_is_made_once_and_kept_private(paths: StatePaths) -> None:
    assert load_owner(paths) is None
    made = load_or_create_owner(paths, token=secrets.token_bytes)
    assert load_or_create_owner(paths, token=secrets.token_bytes) == made == load_owner(paths)
    assert re.fullmatch("[a-z2-7]{6}", made.id)
    assert stat.S_IMODE(paths.owner.stat().st_mode) == 0o600


def test_who_comes_second_takes_the_firsts_owner(
    paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Owner(id="aaaaaa", secret="0" * 64)
    create = files.create_atomic

    def lose_the_race(path: object, content: bytes) -> bool:
        create(paths.owner, first.model_dump_json().encode())
        return create(paths.owner, content)

    monkeypatch.setattr(files, "create_atomic", lose_the_race)
    assert load_or_create_owner(paths, token=secrets.token_bytes) == first


def test_the_secret_does_not_show_in_a_repr() -> None:
    owner = Owner(id="aaaaaa", secret="0123456789abcdef" * 4)
    assert owner.secret not in repr(owner)


def test_a_damaged_owner_is_never_replaced(paths: StatePaths) -> None:
    paths.owner.write_text('{"version":1,"id":"AAAAAA","secret":""}')
    with pytest.raises(StateError, match=r"owner\.json is damaged"):
        load_or_create_owner(paths, token=secrets.token_bytes)


def test_each_pod_has_its_own_key_that_needs_the_secret() -> None:
    owner, other = Owner(id="aaaaaa", secret="0" * 64), Owner(id="aaaaaa", secret="1" * 64)
    key = pod_key(owner, "pllm-aaaaaa-m-1-x2")
    assert re.fullmatch("pllm-[0-9a-f]{40}", key)
    assert key == pod_key(owner, "pllm-aaaaaa-m-1-x2")
    assert len({key, pod_key(owner, "other"), pod_key(other, "pllm-aaaaaa-m-1-x2")}) == 3
