"""Inside the walls: makes one attempt after another as it is told, and says nothing about how they went.

    python -I -S agent.py DESCRIPTOR

An order is a Python source with what to aim at; it runs in a process of its own, which stays until the next order, so
that the trial can look at it from outside.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys

NEXT = b"next"
END = b"end"
LARGEST = 1 << 20
PR_SET_PDEATHSIG = 1


def main(fd: int) -> None:
    """Follow orders until the far end closes."""
    with socket.socket(fileno=fd) as channel:
        child = 0
        while order := channel.recv(LARGEST):
            if child:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                child = 0
            if order != NEXT:
                child = os.fork()
                if not child:
                    _attempt(channel, json.loads(order))
        if child:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)


def _attempt(channel: socket.socket, order: dict) -> None:
    os.setpgid(0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def call(name: str, *arguments: object) -> int:
        # As whole words: of a shorter argument the upper half would be whatever lay there.
        words = [ctypes.c_long(it) if isinstance(it, int) else it for it in arguments]
        answer = libc.syscall(order["at"]["numbers"][name], *words)
        if answer < 0:
            raise OSError(ctypes.get_errno(), name)
        return answer

    def give(fd: int) -> None:
        socket.send_fds(channel, [b"fd"], [fd])

    inside = {"at": order["at"], "tell": channel.send, "give": give, "call": call, "libc": libc, "channel": channel}
    with contextlib.suppress(BaseException):
        exec(compile(order["code"], "attempt", "exec"), inside)  # noqa: S102  # what this program is for
    with contextlib.suppress(OSError):
        channel.send(END)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]))
