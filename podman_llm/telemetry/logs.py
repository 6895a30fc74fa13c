"""Log lines: an event name from ``names`` as the message, the facts in ``extra``.

Secrets are struck out in one place, a filter on every handler, so that no call site has to
remember. It knows the secrets it is told and the shapes that keys have; it looks at the message,
the facts and the traceback.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final, Literal, TextIO

LogFormat = Literal["text", "json"]

_STRUCK: Final = "[secret]"
_KEY_SHAPES: Final = re.compile(
    r"""
      (?P<scheme>\b[Bb]earer\s+)[^\s"',;]+    # whatever follows the scheme, whatever its shape
    | \brpa_[A-Za-z0-9]{4,}                   # RunPod
    | \bpllm-[0-9a-f]{40}\b                   # a pod's own key
    | \bsk-[A-Za-z0-9_-]{8,}                  # OpenAI and those who copy it
    | \bhf_[A-Za-z0-9]{8,}                    # Hugging Face
    """,
    re.VERBOSE,
)
_MIN_SECRET: Final = 4
"""A shorter "secret" would strike out ordinary words."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""What every record has; the rest of its attributes are the facts given in ``extra``."""


class Redactor:
    """Strikes out secrets: those it is told, and whatever looks like a key."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: list[str] = []
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Strike these out too, from now on."""
        known = {*self._secrets, *(s for s in secrets if len(s) >= _MIN_SECRET)}
        self._secrets = sorted(known, key=len, reverse=True)

    def strike(self, text: str) -> str:
        """``text`` with every secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, _STRUCK)
        return _KEY_SHAPES.sub(lambda found: f"{found['scheme'] or ''}{_STRUCK}", text)

    def strike_within(self, fact: object) -> object:
        """The same for a fact of any shape; what is neither text nor a collection stays."""
        match fact:
            case None | bool() | int() | float():
                return fact
            case Mapping():
                return {str(k): self.strike_within(v) for k, v in fact.items()}
            case list() | tuple() | set() | frozenset():
                return [self.strike_within(each) for each in fact]
            case _:
                return self.strike(str(fact))


class RedactingFilter(logging.Filter):
    """Lets every record pass, without its secrets."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Strike in place; the arguments are merged into the message, the traceback into text."""
        record.msg, record.args = self._redactor.strike(record.getMessage()), None
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        if record.exc_text:
            record.exc_text = self._redactor.strike(record.exc_text)
        for name, fact in _facts(record).items():
            setattr(record, name, self._redactor.strike_within(fact))
        return True


class TextFormatter(logging.Formatter):
    """``2026-11-20T23:14:00.123Z INFO daemon.note pod=READY wait=15.0`` for people."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback below it."""
        facts = (f"{name}={_shown(fact)}" for name, fact in _facts(record).items())
        line = " ".join([_at(record), record.levelname, record.getMessage(), *facts])
        return f"{line}\n{record.exc_text}" if record.exc_text else line


class JsonFormatter(logging.Formatter):
    """One JSON object per line for programs; a fact never hides one of the fixed fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fixed: dict[str, Any] = {
            "at": _at(record),
            "level": record.levelname,
            "event": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_text:
            fixed["traceback"] = record.exc_text
        return json.dumps(_facts(record) | fixed, default=str, ensure_ascii=False)


class PrivateRotatingFile(RotatingFileHandler):
    """A log file that only its owner may read, and that does not grow without end."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", opener=_open_private)


def start_logging(
    destination: Path | TextIO,
    *,
    log_format: LogFormat = "text",
    level: str = "INFO",
    redactor: Redactor,
    max_bytes: int = 5_000_000,
    generations: int = 3,
) -> logging.Handler:
    """Send this process's log lines to a file, rotated at ``max_bytes``, or to an open stream.

    Called once, by whoever composes the process; takes the place of what was set before.
    """
    handler: logging.Handler = (
        PrivateRotatingFile(destination, maxBytes=max_bytes, backupCount=generations)
        if isinstance(destination, Path)
        else logging.StreamHandler(destination)
    )
    handler.addFilter(RedactingFilter(redactor))
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    # Libraries log URLs and connection details at lower levels: their warnings are enough.
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("podman_llm").setLevel(level)
    return handler


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return {name: fact for name, fact in vars(record).items() if name not in _STANDARD}


def _at(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(fact: object) -> str:
    """Quoted where it would not read as one word."""
    text = str(fact)
    is_word = text and not any(char.isspace() or char in "\"'=" for char in text)
    return text if is_word else json.dumps(text, ensure_ascii=False)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
