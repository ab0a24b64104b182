"""One process's own limits: descriptors, session, capabilities, rlimits, no_new_privs.

Everything here can only be tightened and is inherited by whatever the process executes. Constants are from
`linux/prctl.h`, `linux/securebits.h` and `linux/capability.h`.
"""

# `pathlib` costs 10 ms of the start of every kernel.
# ruff: noqa: PTH208

from __future__ import annotations

import ctypes
import os

PR_SET_DUMPABLE = 4
PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
# NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE, each with its lock, and the lock of KEEP_CAPS.
SECUREBITS = 0x01 | 0x02 | 0x04 | 0x08 | 0x20 | 0x40 | 0x80
CAPABILITY_VERSION_3 = 0x20080522
HIGHEST_CAPABILITY = 63
CLOSE_RANGE = 436  # the same number on x86_64 and aarch64

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.prctl.restype = ctypes.c_int


def syscall(number: int, *arguments: object) -> int:
    """Call the kernel; return its answer, or minus the error number."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    answer = _libc.syscall(ctypes.c_long(number), *words)
    return -ctypes.get_errno() if answer == -1 else answer


def prctl(option: int, *arguments: int) -> int:
    """Call prctl; return its answer, or minus the error number."""
    words = [ctypes.c_ulong(word) for word in (*arguments, 0, 0, 0, 0)[:4]]
    answer = _libc.prctl(ctypes.c_int(option), *words)
    return -ctypes.get_errno() if answer == -1 else answer


def demand(answer: int, what: str) -> int:
    """Return a good answer.

    Raises:
        OSError: the kernel refused; the wall is not there.
    """
    if answer < 0:
        raise OSError(-answer, f"{what}: {os.strerror(-answer)}")
    return answer


def close_all_but(keep: list[int]) -> None:
    """Close every descriptor from 3 on that is not named."""
    low = 3
    for fd in sorted(fd for fd in keep if fd >= low):
        _close_range(low, fd - 1)
        low = fd + 1
    _close_range(low, 0x7FFFFFFF)


def _close_range(first: int, last: int) -> None:
    if first > last or syscall(CLOSE_RANGE, first, last, 0) == 0:
        return
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:  # before Linux 5.9
        if first <= fd <= last:
            try:  # noqa: SIM105  # contextlib costs 3 ms of the start of every kernel
                os.close(fd)
            except OSError:
                pass  # the descriptor that listed the folder


def drop_capabilities() -> None:
    """Give up every capability for ever; a kernel run as root otherwise reads the broker's memory through them.

    Raises:
        OSError: a capability is left.
    """
    for capability in range(HIGHEST_CAPABILITY + 1):
        prctl(PR_CAPBSET_DROP, capability)
    prctl(PR_SET_SECUREBITS, SECUREBITS)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    empty = (ctypes.c_uint32 * 6)()
    if _libc.capset(ctypes.byref(header), ctypes.byref(empty)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def limit(limits: list[tuple[int, int]]) -> None:
    """Set (resource, value) pairs, soft and hard; a value above the present hard limit keeps that."""
    import resource

    for kind, wanted in limits:
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))


def no_new_privileges() -> None:
    """Make setuid and file capabilities powerless from here on.

    Raises:
        OSError: the kernel refused.
    """
    demand(prctl(PR_SET_NO_NEW_PRIVS, 1), "no_new_privs")
