"""Processes of the same person beside the kernel: one that stands where the broker stands, one in a namespace apart."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

SIGNAL_TRAVELS = 1.0  # seconds until a signal has been told, on a busy computer
PROGRAM = str(Path(__file__).with_name("neighbour.py"))


class Neighbour:
    """A context manager: a program with secrets in environment, command line and memory, and the log open.

    Attributes:
        pid: its number.
        address: where in its memory a secret lies.
    """

    def __init__(self, log: Path, secrets: Mapping[str, bytes]) -> None:
        self._log, self._secrets = log, secrets
        self.pid = self.address = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-I", "-S", PROGRAM, str(self._log), self._secrets["cmdline"].decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"SECRET": self._secrets["environ"].decode()},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._said = self._process.stdout
        self.pid = self._process.pid
        self._process.stdin.write(self._secrets["comm"] + b" " + self._secrets["memory"] + b"\n")
        self._process.stdin.flush()
        self.address = int(self._said.readline())
        os.set_blocking(self._said.fileno(), False)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def signalled(self) -> bool:
        """Say whether it got a signal since it was asked last."""
        select.select([self._said], [], [], SIGNAL_TRAVELS)
        return b"signal" in (self._said.read() or b"")

    def forget(self) -> None:
        """Drop what it told until now."""
        self._said.read()


@contextlib.contextmanager
def apart() -> Iterator[int]:
    """Yield the number of a process that has a user namespace of its own, where the system permits one."""
    process = subprocess.Popen(["/usr/bin/unshare", "-U", "sleep", "600"], stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
