"""Names and ids as Converse accepts them: a few characters, at most 64.

What fits stays as it is. What does not gets its own digest, so that two names never become one, and
the same name becomes the same in every turn of a conversation without anything being remembered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

_LONGEST: Final = 64
_DIGEST: Final = 8
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]")
_NOT_IN_IDS: Final = re.compile(r"[^a-zA-Z0-9_.:-]")


def safe_name(name: str) -> str:
    """The name of a tool, in ``[a-zA-Z0-9_-]{1,64}``."""
    return _safe(name, _NOT_IN_NAMES)


def safe_id(identity: str, taken: Iterable[str] = ()) -> str:
    """The id of a call, in ``[a-zA-Z0-9_.:-]{1,64}`` and none of those ``taken``.

    Some servers number their calls anew in every turn; Claude refuses an id that comes twice.
    """
    safe, turn = _safe(identity, _NOT_IN_IDS), 1
    while safe in taken:
        turn += 1
        safe = _marked(identity, _NOT_IN_IDS, f"{identity}#{turn}")
    return safe


def given_names(names: Iterable[str]) -> dict[str, str]:
    """For each safe name that differs, the one it stands for."""
    return {safe: name for name in names if (safe := safe_name(name)) != name}


def _safe(text: str, forbidden: re.Pattern[str]) -> str:
    if 0 < len(text) <= _LONGEST and not forbidden.search(text):
        return text
    return _marked(text, forbidden, text)


def _marked(text: str, forbidden: re.Pattern[str], seed: str) -> str:
    digest = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{forbidden.sub('_', text)[: _LONGEST - _DIGEST - 1]}_{digest}"
