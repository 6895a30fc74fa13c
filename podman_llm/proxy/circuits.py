"""The circuits of this worker's upstreams, by name, kept on its clock.

Each worker learns for itself: what it learned is old within a minute, and not worth a shared file.
What a person orders is meant for all, see ``orders``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Self

from podman_llm.core import breaker
from podman_llm.core.breaker import Admission, BreakerPolicy, Circuit, CircuitState, Closed, Open
from podman_llm.core.failover import Effect
from podman_llm.core.routing import POD
from podman_llm.host.clock import Clock
from podman_llm.telemetry import names

_log = logging.getLogger(__name__)


class Turn:
    """One call to an upstream; whoever makes it says at its end what it tells.

    As a context manager around the call. What ends without a word, as when the client leaves,
    tells nothing.
    """

    __slots__ = ("_circuits", "_name", "effect", "why")

    def __init__(self, circuits: Circuits, name: str) -> None:
        self.effect = Effect.NONE
        self.why = ""
        self._circuits = circuits
        self._name = name

    def __enter__(self) -> Self:
        """Take the place of who tries, if that is what the circuit wants."""
        self._circuits.admit(self._name)
        return self

    def __exit__(self, *_: object) -> None:
        """Let the circuit learn."""
        self._circuits.learn(self._name, self.effect, self.why)


class Circuits:
    """Who may be asked. ``chance`` gives random numbers from 0 to 1."""

    def __init__(
        self,
        upstreams: tuple[str, ...],
        *,
        policy: BreakerPolicy,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._circuits: dict[str, Circuit] = dict.fromkeys((POD, *upstreams), Closed())
        self._policy = policy
        self._clock = clock
        self._chance = chance
        self._pod = ""
        self._has_been_replaced = False

    def states(self) -> Mapping[str, CircuitState]:
        """Every circuit's state by name."""
        return {name: breaker.name_of(circuit) for name, circuit in self._circuits.items()}

    def admission(self, name: str) -> Admission:
        """What a caller would be told now."""
        return breaker.admission(self._circuits[name], self._clock.monotonic())

    def shut(self, name: str) -> tuple[str, float]:
        """Why nobody may pass, and for how many seconds more."""
        circuit = self._circuits[name]
        why = circuit.why if isinstance(circuit, Open) else "it is being tried"
        return why, breaker.seconds_shut(circuit, self._clock.monotonic())

    def asking(self, name: str) -> Turn:
        """To be put around a call."""
        return Turn(self, name)

    def admit(self, name: str) -> None:
        """Note that somebody asks."""
        self._put(name, breaker.admit(self._circuits[name], self._clock.monotonic()))

    def learn(self, name: str, effect: Effect, why: str) -> None:
        """Take note of how a call ended."""
        circuit, now = self._circuits[name], self._clock.monotonic()
        match effect:
            case Effect.GOOD:
                circuit = breaker.succeeded(circuit, now, self._policy)
            case Effect.BAD | Effect.GRAVE:
                circuit = breaker.failed(
                    circuit,
                    now,
                    self._policy,
                    why=why,
                    is_grave=effect is Effect.GRAVE,
                    chance=self._chance(),
                )
            case Effect.NONE:
                circuit = breaker.abandoned(circuit)
        self._put(name, circuit)

    def force(self, name: str, *, is_open: bool) -> None:
        """Open or close one by hand. Raises KeyError for a name that is none."""
        self._put(name, breaker.force_open("shut by hand") if is_open else breaker.force_close())

    def meet_pod(self, served_by: str) -> None:
        """Another pod than before is another upstream; only a person's word outlasts a pod.

        While fallbacks serve it has to prove itself first.
        """
        circuit = self._circuits[POD]
        if served_by == self._pod:
            return
        self._pod = served_by
        if not (isinstance(circuit, Open) and circuit.is_forced):
            now = self._clock.monotonic()
            self._put(POD, breaker.on_probation(now) if self._has_been_replaced else Closed())
        self._has_been_replaced = False

    def note_fallback(self) -> None:
        """Somebody else answered in the pod's place."""
        self._has_been_replaced = True

    @property
    def is_pod_unproven(self) -> bool:
        """Whether the pod must answer a probe before any request is sent there."""
        return breaker.is_unproven(self._circuits[POD])

    @property
    def is_pod_settling(self) -> bool:
        """Whether conversations that left the pod stay away for now."""
        return breaker.is_settling(self._circuits[POD], self._clock.monotonic(), self._policy)

    def _put(self, name: str, circuit: Circuit) -> None:
        before = self._circuits[name]
        self._circuits[name] = circuit
        if type(circuit) is not type(before):
            after = breaker.name_of(circuit)
            why = circuit.why if isinstance(circuit, Open) else ""
            _log.info(names.CIRCUIT_MOVED, extra={"upstream": name, "state": after, "why": why})
