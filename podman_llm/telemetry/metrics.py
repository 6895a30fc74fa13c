"""Numbers for scrapers: the text format that Prometheus reads (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

PROMETHEUS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of the text."""


@dataclass(frozen=True)
class Metric:
    """One number with its name, its meaning, and labels that tell it from its siblings."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def prometheus_text(metrics: Iterable[Metric]) -> str:
    """The metrics as text; those of one name must follow each other."""
    lines: list[str] = []
    last = ""
    for metric in metrics:
        if metric.name != last:
            lines += [
                f"# HELP {metric.name} {_escape(metric.meaning)}",
                f"# TYPE {metric.name} {metric.kind}",
            ]
            last = metric.name
        lines.append(f"{metric.name}{_labels(metric.labels)} {_number(metric.value)}")
    return "\n".join([*lines, ""])


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{name}="{_escape_value(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escape_value(text: str) -> str:
    return _escape(text).replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
