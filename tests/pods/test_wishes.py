from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from podman_llm.config.models import Settings
from podman_llm.errors import Damaged, StateError
from podman_llm.pods.wishes import Wish, wish_in_force
from podman_llm.state.desired import Desired, save_desired, save_understood
from podman_llm.state.paths import StatePaths


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return StatePaths(tmp_path)


def _desired(generation: int, **changes: object) -> Desired:
    settings = Settings().model_dump(mode="json", by_alias=True) | changes
    return Desired(generation=generation, want="up", settings=settings, requested_at=0.0)


def test_the_wish_that_was_written_is_in_force(paths: StatePaths) -> None:
    save_understood(paths, _desired(1))
    save_desired(paths, _desired(2, proxy_port=8123))
    assert wish_in_force(paths) == Wish(_desired(2, proxy_port=8123), Settings(proxy_port=8123))


def test_where_nobody_ever_wished_nothing_is_in_force(paths: StatePaths) -> None:
    assert wish_in_force(paths) is None


def _damage(paths: StatePaths) -> None:
    paths.desired.write_bytes(b"{")


def _lose(paths: StatePaths) -> None:
    paths.desired.unlink()


def _upgrade(paths: StatePaths) -> None:
    save_desired(paths, _desired(3, colour="red"))


LOSSES = pytest.mark.parametrize(
    ("lose", "told"),
    [(_damage, "is damaged"), (_lose, "is gone"), (_upgrade, "does not know: colour")],
)


@LOSSES
def test_a_wish_that_cannot_be_followed_leaves_the_one_understood_before(
    paths: StatePaths, lose: Callable[[StatePaths], None], told: str
) -> None:
    save_desired(paths, _desired(2))
    save_understood(paths, _desired(1, proxy_port=8123))
    lose(paths)
    wish = wish_in_force(paths)
    assert wish is not None
    assert (wish.desired.generation, wish.settings.proxy_port) == (1, 8123)
    assert told in str(wish.unread)


def test_what_the_caller_followed_itself_comes_before_the_copy(paths: StatePaths) -> None:
    save_understood(paths, _desired(1))
    _damage(paths)
    last = Wish(_desired(2), Settings())
    wish = wish_in_force(paths, last=last)
    assert wish is not None
    assert wish.desired == last.desired
    assert isinstance(wish.unread, Damaged)


@pytest.mark.parametrize("copy", [None, b"{"])
def test_with_nothing_understood_the_wish_itself_is_what_is_wrong(
    paths: StatePaths, copy: bytes | None
) -> None:
    _damage(paths)
    if copy:
        paths.understood.write_bytes(copy)
    with pytest.raises(StateError, match=r"desired\.json is damaged"):
        wish_in_force(paths)
