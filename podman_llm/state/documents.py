"""One small JSON document per file: read strictly, written whole.

``version`` guards every document: an older program never guesses at what a newer one meant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from podman_llm.errors import Damaged, StateError
from podman_llm.host import files

_OF_A_NEWER: Final = (
    "use the newer podman-llm that wrote it; if its daemon is still the older one, end that with "
    "SIGTERM, which ends no pod, and give the command again"
)


class Document(BaseModel):
    """What all documents hold to: frozen, exact types, no field that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Write = Callable[[Path, bytes], None]
"""Puts bytes at a path so that a reader sees all of them or none."""

D = TypeVar("D", bound=Document)


def load(path: Path, kind: type[D]) -> D | None:
    """The document at ``path``, or None if there is none.

    Raises:
        Damaged: what is there is no such document.
        StateError: it cannot be read, or was written by a newer program.
    """
    content = read_bytes(path)
    if content is None:
        return None
    refuse_newer(path, content, known=kind.model_fields["version"].default)
    try:
        return kind.model_validate_json(content)
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        if first["type"] == "extra_forbidden":
            raise StateError(
                f"{path} holds `{where}`, which this podman-llm does not know", hint=_OF_A_NEWER
            ) from err
        raise Damaged(f"{path} is damaged: {where}: {first['msg']}") from err


def save(path: Path, document: Document, *, write: Write = files.write_atomic) -> None:
    """Write ``document`` so that a reader sees all of it or what was there before.

    What has its default is left out: after an upgrade the older daemon, which refuses fields it
    does not know, still reads whatever uses nothing new.

    Raises:
        StateError: it cannot be written; what was there before is unharmed.
    """
    version = {"version": type(document).model_fields["version"].default}
    told = version | document.model_dump(mode="json", exclude_defaults=True)
    with writing(path):
        write(path, json.dumps(told, indent=1).encode() + b"\n")


def read_bytes(path: Path) -> bytes | None:
    """The bytes at ``path``, or None if there is no such file.

    Raises:
        StateError: there is one, and it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as err:
        raise StateError(f"cannot read {path}: {err.strerror or err}") from err


def refuse_newer(path: Path, content: bytes, *, known: int) -> None:
    """Raise ``StateError`` if the document says that a newer version is needed to read it."""
    version = _claimed_version(content)
    if version > known:
        raise StateError(
            f"{path} has format version {version}; this podman-llm reads up to version {known}",
            hint=_OF_A_NEWER,
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write ``path`` into a ``StateError`` that names it."""
    try:
        yield
    except OSError as err:
        raise StateError(
            f"cannot write {path}: {err.strerror or err}",
            hint="free some space, or make the state directory writable",
        ) from err


def _claimed_version(content: bytes) -> int:
    try:
        document: Any = json.loads(content)
    except ValueError:
        return 0
    version = document.get("version") if isinstance(document, dict) else None
    return version if isinstance(version, int) else 0
