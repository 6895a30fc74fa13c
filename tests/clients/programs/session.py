"""How the suite talks with a program: an order a line, and a line with what the program saw."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]
Action = Callable[[Json, Json], None]
"""Does what an order says and notes what it sees, so that what came before a failure counts."""


def carry_out_orders(actions: Mapping[str, Action]) -> None:
    """Until the suite hangs up."""
    for line in sys.stdin:
        order = json.loads(line)
        saw: Json = {}
        began = time.monotonic()
        try:
            actions[order["do"]](order, saw)
        except Exception as err:  # noqa: BLE001 - whatever it is, it is what the client's user sees
            saw["error"] = _described(err)
        report = {"saw": saw, "seconds": time.monotonic() - began}
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()


def _described(err: Exception) -> Json:
    """An error by the first of its classes that is OpenAI's, as its user would catch it."""
    names = [kind.__name__ for kind in type(err).__mro__ if kind.__module__.startswith("openai")]
    return {
        "name": (names or [type(err).__name__])[0],
        "status": getattr(err, "status_code", None),
        "code": getattr(err, "code", None),
        "message": str(err),
    }
