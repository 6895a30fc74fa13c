"""Durations as people write them: ``90``, ``90s``, ``30m``, ``4h``, ``1h30m``, ``2d``."""

from __future__ import annotations

import re
from typing import Final

import click

_UNITS: Final = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_HOURS_BECOME_DAYS: Final = 48
_WHOLE: Final = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+|\d+(?:\.\d+)?", re.IGNORECASE)
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([dhms])", re.IGNORECASE)


def parse_duration(text: str) -> float:
    """Seconds.

    Raises:
        ValueError: ``text`` is no duration.
    """
    text = text.strip().removeprefix("+")
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no duration; write for example 90s, 30m, 4h or 1h30m")
    if text[-1].isdigit():
        return float(text)
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """Two units at most, the way a person says it: ``45s``, ``12m 05s``, ``3h 10m``, ``2d 4h``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= _HOURS_BECOME_DAYS:
        return f"{hours // 24}d {hours % 24}h"
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"


class Duration(click.ParamType[float]):
    """A click parameter in seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds from text; numbers are seconds already."""
        try:
            return parse_duration(str(value))
        except ValueError as err:
            self.fail(str(err), param, ctx)
