"""Room kept for a bad day: on a full disk a pod's end can still be written down.

Nothing is ended that was not written down before. Without this, whoever wants a pod ended would
first have to find something to delete, while it bills.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from podman_llm.host import files
from podman_llm.state.paths import StatePaths

_STEP: Final = 64 * 1024
"""Bytes freed at a time: other programs, and our own logs, want what becomes free too."""
_SIZE: Final = 8 * _STEP
_PLENTY: Final = 16 * _SIZE
"""Free bytes below which nothing is set aside: it would fill the disk itself."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def fill(paths: StatePaths) -> None:
    """Set the room aside, again where it was used; costs one look while it is there."""
    with suppress(OSError):  # a disk without room for it is why there is one
        missing = _SIZE - _size(paths.reserve)
        if missing <= 0 or shutil.disk_usage(paths.root).free < _PLENTY:
            return
        with paths.reserve.open("ab") as file:
            paths.reserve.chmod(0o600)
            file.write(os.urandom(missing))  # zeros take no room on a disk that compresses


def write_anyway(path: Path, content: bytes) -> None:
    """As ``files.write_atomic``; a full disk takes the room that was set aside beside ``path``.

    Raises:
        OSError: it cannot be written with that either.
    """
    while True:
        try:
            files.write_atomic(path, content)
        except OSError as err:
            if err.errno not in _FULL or not _draw(StatePaths(path.parent)):
                raise
        else:
            return


def _draw(paths: StatePaths) -> bool:
    """Free a part; False when there is none left."""
    left = _size(paths.reserve)
    if left <= 0:
        return False
    os.truncate(paths.reserve, max(0, left - _STEP))
    return True


def _size(reserve: Path) -> int:
    try:
        return reserve.stat().st_size
    except FileNotFoundError:
        return 0
