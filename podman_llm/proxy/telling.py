"""What a worker tells the control plane, for as long as it serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from podman_llm.proxy.activity import Activity, keep_written
from podman_llm.proxy.demands import Demands, keep_told
from podman_llm.state.activity import save_activity
from podman_llm.state.demand import save_demand
from podman_llm.state.paths import StatePaths


@asynccontextmanager
async def telling(
    activity: Activity, demands: Demands, paths: StatePaths | None
) -> AsyncIterator[None]:
    """Around serving: both are kept on disk below ``paths``. Without it nobody listens."""
    if paths is None:
        yield
        return
    tasks = [
        asyncio.create_task(keep_written(activity, lambda now: save_activity(paths, now))),
        asyncio.create_task(keep_told(demands, lambda now: save_demand(paths, now))),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
