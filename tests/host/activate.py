"""Becomes another program as systemd would start it: with sockets from descriptor 3 on.

``python activate.py NAME=FD[,NAME=FD...] ARGV...``
"""

from __future__ import annotations

import fcntl
import os
import sys

_, sockets, *argv = sys.argv
names, descriptors = zip(*(each.split("=") for each in sockets.split(",")), strict=True)
# Out of the way first: one of them may be 3 itself.
moved = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 100) for each in descriptors]
for number, descriptor in enumerate(moved, 3):
    os.dup2(descriptor, number)
    os.close(descriptor)
passed = {
    "LISTEN_FDS": str(len(names)),
    "LISTEN_FDNAMES": ":".join(names),
    "LISTEN_PID": str(os.getpid()),
}
os.execve(argv[0], argv, {**os.environ, **passed})
