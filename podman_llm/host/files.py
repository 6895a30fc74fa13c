"""Files that are whole or absent: written beside, flushed to the disk, then renamed into place.

A reader sees the old bytes or the new ones, also after a crash or a full disk. Everything here is
private to the person (0600). All functions raise ``OSError`` as the system gives it; the floor
above says what the file meant.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Stamp = tuple[int, int, int]
"""Device-independent trace of one version of a file: inode, modification time (ns), size."""


def write_atomic(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``; afterwards both the bytes and the name are on the disk."""
    with _written_beside(path, content) as temporary:
        temporary.replace(path)
    sync_directory(path.parent)


def create_atomic(path: Path, content: bytes) -> bool:
    """Write ``path`` only if nothing has that name; False when somebody else was first."""
    with _written_beside(path, content) as temporary:
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
    sync_directory(path.parent)
    return True


def keep_as(path: Path, kept: Path) -> None:
    """Let ``kept`` name the present bytes of ``path`` too, replacing what it named before.

    A hard link, so that there is no moment in which either name is missing or half written.
    ``kept`` has one writer.
    """
    temporary = kept.with_name(f".{kept.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.hardlink_to(path)
    temporary.replace(kept)
    # Renaming one name of a file onto another name of it leaves both.
    temporary.unlink(missing_ok=True)


def stamp(path: Path) -> Stamp | None:
    """What changes whenever the file is replaced; None while there is none. Costs one stat."""
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_size


def is_locked(path: Path) -> bool:
    """Whether some process holds the file with ``flock``; one that is not there is held by none.

    Takes the lock for an instant to find out.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)  # gives the lock back, too
    return False


def sync_directory(directory: Path) -> None:
    """Put the names in ``directory`` on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _written_beside(path: Path, content: bytes) -> Iterator[Path]:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
