"""A worker that serves for real, and starts at once: each client gets the pid that served it.

``python worker.py worker STATE_DIR SLOT FD LIFELINE MODE``
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from contextlib import suppress


def serve(listener: socket.socket) -> None:
    try:
        client, _ = listener.accept()
    except BlockingIOError:
        return  # another worker was quicker
    with client:
        client.recv(1)
        client.sendall(b"%d" % os.getpid())


def main() -> None:
    *_, listen_fd, lifeline, mode = sys.argv
    if mode == "broken":
        sys.exit("cannot work")
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    listener = socket.socket(fileno=int(listen_fd))
    listener.settimeout(0)

    def drain(*_: object) -> None:
        listener.close()
        signal.pause()

    if mode == "draining":
        signal.signal(signal.SIGTERM, drain)
    while True:
        if mode != "mute":
            with suppress(BrokenPipeError):
                os.write(int(lifeline), b".")
        if select.select([listener], [], [], 0.1)[0]:
            serve(listener)


main()
