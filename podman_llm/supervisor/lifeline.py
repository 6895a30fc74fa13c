"""Our end of the socket between the daemon and one worker; ``proxy.lifeline`` is the other."""

from __future__ import annotations

import socket


class Lifeline:
    """Made for one child. It ends for the child when we do, however we end.

    Raises:
        OSError: this process has too many open files.
    """

    def __init__(self) -> None:
        self._ours, self._childs = socket.socketpair()
        self._ours.settimeout(0)

    @property
    def descriptor(self) -> int:
        """The child's end, for it to inherit."""
        return self._childs.fileno()

    def hand_over(self) -> None:
        """The child has its end: let go of ours of it."""
        self._childs.close()

    def has_beaten(self) -> bool:
        """Whether the child gave a sign of life since this was last asked. Waits for nothing."""
        has_beaten = False
        try:
            while self._ours.recv(4096):
                has_beaten = True
        except BlockingIOError:
            pass
        return has_beaten

    def close(self) -> None:
        """For a child that has ended, or was never there."""
        self._ours.close()
        self._childs.close()
