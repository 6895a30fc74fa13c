"""What a person ordered of circuits. It stands until the next order, whichever worker ends.

One file for each upstream, so that nobody has to read before writing. A circuit that was closed by
hand keeps its file: that it was closed is what the other workers have to hear.
"""

from __future__ import annotations

from pathlib import Path

from podman_llm.errors import StateError
from podman_llm.state import documents
from podman_llm.state.paths import StatePaths


class Order(documents.Document):
    """Open: nobody asks it, until a person says otherwise. Not open: trust it again."""

    version: int = 1
    is_open: bool


def order_file(paths: StatePaths, name: str) -> Path:
    """Where the order of the upstream ``name`` is."""
    return paths.orders_dir / f"{name}.json"


def save_order(paths: StatePaths, name: str, order: Order) -> None:
    """Replace the order of one upstream.

    Raises:
        StateError: it cannot be written; what was ordered before stands.
    """
    documents.save(order_file(paths, name), order)


def load_order(paths: StatePaths, name: str) -> Order | None:
    """The order of one upstream, None if there never was one.

    Raises:
        StateError: it cannot be read.
    """
    return documents.load(order_file(paths, name), Order)


def shut_by_hand(paths: StatePaths) -> tuple[str, ...]:
    """Whom nobody asks by order; an order that cannot be read is left out."""
    names = sorted(file.stem for file in paths.orders_dir.glob("*.json"))
    return tuple(name for name in names if _is_shut(paths, name))


def _is_shut(paths: StatePaths, name: str) -> bool:
    try:
        order = load_order(paths, name)
    except StateError:
        return False
    return order is not None and order.is_open
