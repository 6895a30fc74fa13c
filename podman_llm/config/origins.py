"""Where a value came from, and settings seen as a flat table of dotted keys."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel

from podman_llm.config.models import Settings


class Kind(StrEnum):
    """The layers, strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True)
class Origin:
    """``name`` is the variable or the file; ``line`` counts from 1 where a file has one."""

    kind: Kind
    name: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """For people: ``environment CACHE_DIR``, ``pod_config.json line 4``, ``default``."""
        if self.kind is Kind.FILE:
            return self.name if self.line is None else f"{self.name} line {self.line}"
        return f"{self.kind} {self.name}".strip()


DEFAULT = Origin(Kind.DEFAULT)


def dotted_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Every key that can be set, as in ``pod.max_price_per_hour``, in the order of the fields."""
    for name, field in model.model_fields.items():
        if field.alias:
            continue  # `$schema` speaks to editors, not to us
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield from dotted_keys(group, f"{prefix}{name}.")
        else:
            yield prefix + name


def value_at(settings: Settings, key: str) -> object:
    """The value of a dotted key."""
    return operator.attrgetter(key)(settings)


def leaves(tree: Mapping[str, Any], keys: frozenset[str], prefix: str = "") -> Iterator[str]:
    """The dotted keys that a nested mapping sets; ``keys`` tells a group from a value."""
    for name, value in tree.items():
        key = prefix + name
        if isinstance(value, Mapping) and key not in keys:
            yield from leaves(value, keys, f"{key}.")
        else:
            yield key


def masked(value: object) -> object:
    """The value fit to be shown: a URL loses its user, password and query."""
    if not isinstance(value, str) or "://" not in value:
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        return "***"
    host = parts.netloc.rpartition("@")[2]
    netloc = f"***@{host}" if "@" in parts.netloc else host
    return urlunsplit(parts._replace(netloc=netloc, query="***" if parts.query else ""))
