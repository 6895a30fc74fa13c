"""What importing a module loads of the libraries that only one of the two planes may have."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

_HEAVY: Final = ("aiohttp", "botocore", "diskcache", "requests")


def loaded_by(module: str) -> set[str]:
    """Those of them that are there after ``module`` alone was imported."""
    code = f"import sys, {module}; print(*[name for name in {_HEAVY} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(told.stdout.split())
