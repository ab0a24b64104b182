"""A program of the same person, standing where the broker stands: with a secret in its memory and an open log.

    python -I -S neighbour.py LOG SECRET-ON-THE-COMMAND-LINE

It prints the address of its secret, then one line for each signal that it gets, and ends with its standard input.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_NAME = 15
TOLD = (signal.SIGUSR1, signal.SIGIO)


def main(log: str) -> None:
    """Hold the secret until the far end closes."""
    name, secret = sys.stdin.readline().split()
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)
    # Room behind it, so that whoever reads a little more does not meet the end of the mapping.
    held = ctypes.create_string_buffer(secret.encode(), 4096)
    for number in TOLD:
        signal.signal(number, _tell)
    with open(log, "ab") as _:  # noqa: PTH123 - a small program
        os.write(1, f"{ctypes.addressof(held)}\n".encode())
        while os.read(0, 1):
            pass


def _tell(number: int, _: object) -> None:
    os.write(1, f"signal {number}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])
