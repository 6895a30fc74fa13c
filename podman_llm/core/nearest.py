"""Nearest names, for errors that end with the word the person probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, names: Iterable[str], *, limit: int = 3) -> tuple[str, ...]:
    """The names most like ``word``, best first, none that is unlike it.

    Case does not count, and neither does a missing path before a name's last part: ``Port`` finds
    ``proxy_port``, ``max_price_per_hour`` finds ``pod.max_price_per_hour``.
    """
    wanted = word.casefold()
    scored = [(_likeness(wanted, name.casefold()), name) for name in names]
    close = sorted((-score, name) for score, name in scored if score >= _ENOUGH)
    return tuple(name for _, name in close[:limit])


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """A sentence with the nearest names and a blank before it; empty when nothing is near."""
    found = nearest(word, names)
    if not found:
        return ""
    quoted = [f"`{name}`" for name in found]
    return f" Did you mean {' or '.join(filter(None, [', '.join(quoted[:-1]), quoted[-1]]))}?"


_ENOUGH = 0.6
"""Below this likeness (0 to 1) a name is more confusing than none; difflib's own default."""


def _likeness(wanted: str, name: str) -> float:
    last = name.rpartition(".")[2]
    ratio = max(
        difflib.SequenceMatcher(None, wanted, candidate).ratio() for candidate in (name, last)
    )
    has_word = len(wanted) > 2 and wanted in name.replace(".", "_").split("_")  # noqa: PLR2004 - two letters are in too many names
    return max(ratio, 0.9) if has_word else ratio
