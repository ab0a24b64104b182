"""What the operating system shows of processes from outside: nothing that they could say themselves."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable
from pathlib import Path

PAGE = os.sysconf("SC_PAGESIZE")


def link(path: str) -> str:
    """Return where a link of /proc leads, or nothing."""
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


def user_namespace(pid: int) -> str:
    """Return the name of a process's user namespace, or nothing."""
    return link(f"/proc/{pid}/ns/user")


def descriptors(pids: Iterable[int]) -> list[str]:
    """Return what the descriptors of processes are."""
    found: list[str] = []
    for pid in pids:
        with contextlib.suppress(OSError):
            found += [link(str(path)) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return found


def mounts(pids: Iterable[int]) -> str:
    """Return the mounts that processes see."""
    return "".join(_text(f"/proc/{pid}/mountinfo") for pid in pids)


def status(pid: int, field: str) -> list[str]:
    """Return the words of one field of a process's status; none if it has ended."""
    lines = _text(f"/proc/{pid}/status").splitlines()
    return next((line.split()[1:] for line in lines if line.startswith(f"{field}:")), [])


def descendants(pids: Iterable[int]) -> set[int]:
    """Return processes and all that descend from them."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        words = _text(str(path)).rpartition(")")[2].split()
        if words:
            parents[int(path.parent.name)] = int(words[1])
    found, size = set(pids), 0
    while len(found) > size:
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found


def resident(pids: Iterable[int]) -> int:
    """Return the largest memory in use by one of the processes, in bytes."""
    found = [_text(f"/proc/{pid}/statm").split() for pid in pids]
    return max((int(words[1]) * PAGE for words in found if words), default=0)


def file_limit(pid: int) -> int:
    """Return how large a file a process may write."""
    return resource.prlimit(pid, resource.RLIMIT_FSIZE)[0]


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
