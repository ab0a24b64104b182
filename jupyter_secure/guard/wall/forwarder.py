"""Inside the walls: `python -I -S forwarder.py SOCKET PORT -- command...` opens a port and becomes the command.

A loopback port of the kernel's own network is joined to the socket of the guard's proxy, because programs know
proxies by address and port. It decides nothing and is part of no wall: whoever ends it only closes the own way out.
The part that forwards belongs to no session and no parent of the kernel's, so an interrupt does not meet it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading


def main(arguments: list[str]) -> None:
    """Open the port, leave somebody behind who serves it, and execute the command."""
    path, port, command = arguments[0], int(arguments[1]), arguments[3:]
    door = socket.create_server(("127.0.0.1", port))
    first = os.fork()
    if first == 0:
        os.setsid()
        if os.fork() == 0:
            _let_go(door.fileno())
            _serve(door, path)
        os._exit(0)
    os.waitpid(first, 0)
    door.close()
    os.execve(command[0], command, os.environ)  # noqa: S606  # no shell wanted


def _let_go(kept: int) -> None:
    # Above all the kernel's channel: it must end with the kernel.
    quiet = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(quiet, number)
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def _serve(door: socket.socket, path: str) -> None:
    while True:
        ours, _ = door.accept()
        theirs = socket.socket(socket.AF_UNIX)
        try:
            theirs.connect(path)
            for source, sink in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()
        except (OSError, RuntimeError):
            _end(ours)
            _end(theirs)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        _end(source)
        _end(sink)


def _end(side: socket.socket) -> None:
    with contextlib.suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    main(sys.argv[1:])
