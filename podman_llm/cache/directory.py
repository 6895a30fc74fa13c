"""The directory of the disk tier: who may read it, and how its readers hear of a clearing.

Answers hold the person's code. The directory is theirs alone, and one that others could have
written to is not read at all.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from podman_llm.errors import ConfigError

_MARK = "generation"
_DATABASE = "cache.db"
_VALUE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}\.val")


class CacheDirectory:
    """A place on disk, by its path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark = path / _MARK
        self._database = path / _DATABASE

    def ensure(self) -> None:
        """Make it, or make sure that it is ours alone.

        Raises ConfigError for one that belongs to or can be written by somebody else, and OSError
        where it cannot be made. What others may merely read is closed to them.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.check()
        self.path.chmod(0o700)

    def check(self) -> None:
        """Raise ConfigError if what is there now belongs to, or may be written by, others."""
        try:
            status = self.path.stat()
        except OSError:
            return  # not there, or not to be reached: making it will say so
        if not stat.S_ISDIR(status.st_mode):
            raise ConfigError(
                f"cache_dir: {self.path} is not a directory.",
                hint="Name a directory, or one that does not exist yet.",
            )
        if status.st_uid != os.geteuid():
            raise ConfigError(
                f"cache_dir: {self.path} belongs to user id {status.st_uid}, not to you.",
                hint="Name a directory of your own in cache_dir or CACHE_DIR.",
            )
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(
                f"cache_dir: {self.path} can be written by others "
                f"(mode {stat.S_IMODE(status.st_mode):04o}).",
                hint=f"If you trust what is in it: chmod 700 {self.path}",
            )

    def generation(self) -> tuple[int, int, int] | None:
        """Something that changes whenever answers held elsewhere stop being good.

        One ``stat``, about a microsecond: cheap enough for every hit in memory, so that no process
        gives an answer that was cleared a moment ago. A deleted directory counts as a change.
        """
        return _identity(self._mark)

    def next_generation(self) -> None:
        """Tell every process that shares the directory to forget what it holds in memory."""
        with self._mark.open("ab") as mark:
            mark.write(b".")  # it grows: times are too coarse to tell two changes apart

    def database(self) -> int | None:
        """Which database is there: a number of its own, or None if there is none."""
        identity = _identity(self._database)
        return identity[0] if identity else None

    def discard(self) -> None:
        """Remove the database and its values, and nothing else the directory may hold."""
        for path in self.path.glob(f"{_DATABASE}*"):
            path.unlink(missing_ok=True)
        for path in self.path.glob("??/??/*.val"):
            if is_value_name(path.relative_to(self.path).as_posix()):
                path.unlink(missing_ok=True)
        self.next_generation()


def is_value_name(name: str) -> bool:
    """Whether a file of this name may be a value; no other file is ever read or removed."""
    return _VALUE.fullmatch(name) is not None


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
