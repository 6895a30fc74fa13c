from __future__ import annotations

import stat

import pytest

from podman_llm.errors import StateError
from podman_llm.state.orders import Order, load_order, order_file, save_order, shut_by_hand
from podman_llm.state.paths import StatePaths


def test_an_order_stands_until_the_next_one(paths: StatePaths) -> None:
    assert load_order(paths, "bedrock") is None
    save_order(paths, "bedrock", Order(is_open=True))
    save_order(paths, "pod", Order(is_open=True))
    assert shut_by_hand(paths) == ("bedrock", "pod")
    save_order(paths, "bedrock", Order(is_open=False))
    assert load_order(paths, "bedrock") == Order(is_open=False)
    assert shut_by_hand(paths) == ("pod",)
    assert stat.S_IMODE(order_file(paths, "pod").stat().st_mode) == 0o600


def test_a_damaged_order_shuts_nobody(paths: StatePaths) -> None:
    order_file(paths, "pod").write_bytes(b"{")
    assert shut_by_hand(paths) == ()
    with pytest.raises(StateError, match=r"circuits/pod\.json is damaged"):
        load_order(paths, "pod")


def test_before_there_is_a_state_directory_nothing_was_ordered(paths: StatePaths) -> None:
    paths.orders_dir.rmdir()
    assert shut_by_hand(paths) == ()
    with pytest.raises(StateError, match="cannot write"):
        save_order(paths, "pod", Order(is_open=True))
