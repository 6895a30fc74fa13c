"""What is kept, told without the answers themselves, and which of it a person means."""

from __future__ import annotations

from dataclasses import dataclass

from podman_llm.cache.codec import decode_head

HEAD_BYTES = 4096
"""So much of an entry's bytes tells about it; the answer follows."""


@dataclass(frozen=True)
class Kept:
    """One entry: its size on disk in bytes, its time in wall seconds.

    Read from its head alone, so a damaged answer is listed like a sound one.
    """

    key: str
    size: int
    model: str
    served_by: str
    stored_at: float


def kept_as(key: str, size: int, head: bytes) -> Kept:
    """The entry under a key, by the first ``HEAD_BYTES`` of it; nameless and old if damaged."""
    entry = decode_head(head)
    if entry is None:
        return Kept(key, size, model="", served_by="", stored_at=0.0)
    return Kept(key, size, entry.model, entry.served_by, entry.stored_at)


@dataclass(frozen=True)
class Selection:
    """Entries that are all of this at once; what is empty or None selects nothing away.

    ``key`` is the beginning of a key. ``model`` is a model with its revision or without.
    ``older_than`` is in seconds.
    """

    key: str = ""
    model: str = ""
    older_than: float | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is selected away."""
        return not self.key and not self.model and self.older_than is None

    def holds(self, kept: Kept, now: float) -> bool:
        """Whether an entry is meant; ``now`` is wall seconds."""
        names = {kept.model, kept.model.partition("@")[0]}
        return (
            kept.key.startswith(self.key)
            and (not self.model or self.model in names)
            and (self.older_than is None or now - kept.stored_at > self.older_than)
        )
