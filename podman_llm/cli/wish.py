"""The wish that ``up``, ``adopt`` and ``down`` replace, also where it was lost.

A generation is never used twice: what ended for one is not made again for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podman_llm.cli.context import Context
from podman_llm.config.models import Settings
from podman_llm.config.origins import DEFAULT, Origin
from podman_llm.errors import Damaged, StateError
from podman_llm.state.desired import Desired, load_desired
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import read_pod_state


def last_wish(context: Context, paths: StatePaths) -> Desired | None:
    """The wish in force; None where there is none, or only what is left of one, which is said."""
    try:
        return load_desired(paths)
    except Damaged as err:
        context.err(f"{err.message}. It is replaced, from the settings of now.")
        return None


def next_wish(
    context: Context,
    paths: StatePaths,
    last: Desired | None,
    settings: Settings,
    *,
    adopt: str = "",
) -> Desired:
    """An `up` with a generation of its own, not written yet."""
    known = (last.generation,) if last else _generations(paths)
    return Desired(
        generation=max(known, default=0) + 1,
        want="up",
        settings=settings.model_dump(mode="json", by_alias=True),
        requested_at=context.clock.wall(),
        adopt=adopt,
    )


def _generations(paths: StatePaths) -> Iterator[int]:
    """Those that the records still know of."""
    try:
        state = read_pod_state(paths)
    except StateError:
        return
    if state is None:
        return
    records = (state.current, *state.closed)
    yield from (one.generation for one in (*records, state.failure) if one is not None)


def unheeded(settings: Settings, origins: Mapping[str, Origin], in_force: Desired) -> list[str]:
    """The settings that somebody has given another value than the one in force."""
    now = settings.model_dump(mode="json", by_alias=True)
    return [
        key
        for key, origin in origins.items()
        if origin != DEFAULT and _value(now, key) != _value(in_force.settings, key)
    ]


def _value(settings: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    group, _, name = key.rpartition(".")
    return (settings.get(group) or {} if group else settings).get(name)
