"""A worker that serves for real, and starts at once: each client gets the pid that served it.

``python worker.py worker STATE_DIR SLOT FD LIFELINE MODE``
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys


def main() -> None:
    *_, listen_fd, lifeline, mode = sys.argv
    if mode == "broken":
        sys.exit("cannot work")
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    listener = socket.socket(fileno=int(listen_fd))

    def drain(*_: object) -> None:
        listener.close()
        signal.pause()

    if mode == "draining":
        signal.signal(signal.SIGTERM, drain)
    watched = [listener.fileno()]
    if mode == "follower":
        watched.append(int(lifeline))
    while listener.fileno() in select.select(watched, [], [])[0]:
        client, _ = listener.accept()
        with client:
            client.recv(1)
            client.sendall(b"%d" % os.getpid())


main()
