"""Landlock: which files the process and all it starts may reach, and no TCP, whatever Unix rights say.

Promises: a right that this kernel's Landlock knows and no rule grants is refused; a path that does not exist is
skipped, which refuses it. Rules are allow-only, so a read-only folder inside a writable one needs a mount namespace.
Bits and structures: `linux/landlock.h`; what each ABI from 1 to 9 added is in the tables below. A later one is used
like 9, because a right that is not named here is not handled.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

from .process import demand, syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on x86_64 and aarch64
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
REFER, TRUNCATE, IOCTL_DEV, RESOLVE_UNIX = 1 << 13, 1 << 14, 1 << 15, 1 << 16
NET_BIND_TCP, NET_CONNECT_TCP = 1, 2
SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1, 2

# What is handled from each ABI on. 7 and 8 added nothing to handle: words about logging and about threads.
FILE_RIGHTS = ((1, (1 << 13) - 1), (2, REFER), (3, TRUNCATE), (5, IOCTL_DEV))
# Only where no network namespace does that work; there the way out is a Unix socket from outside.
ALONE_FILE_RIGHTS = ((9, RESOLVE_UNIX),)
ALONE_NET_RIGHTS = ((4, NET_BIND_TCP | NET_CONNECT_TCP),)
SCOPES = ((6, SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL),)
# Bytes of the structure from each ABI on; one that is longer than the kernel's must end in zeros.
SIZES = ((1, 8), (4, 8), (6, 8))
READ = EXECUTE | READ_FILE | READ_DIR
# No device nodes may be made anywhere.
WRITE = (
    READ
    | WRITE_FILE
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SOCK
    | MAKE_FIFO
    | MAKE_SYM
    | REFER
    | TRUNCATE
)
DEVICE = READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # other bits on a file are an error
RIGHTS = {"ro": READ, "rw": WRITE, "dev": DEVICE | READ_DIR}


class RulesetAttribute(ctypes.Structure):
    """`struct landlock_ruleset_attr`."""

    _fields_ = (("access_fs", ctypes.c_uint64), ("access_net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class PathBeneath(ctypes.Structure):
    """`struct landlock_path_beneath_attr`, which is packed."""

    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """Return the ABI version of this kernel's Landlock; 0 where there is none."""
    return max(0, syscall(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION))


def attribute(version: int, *, network: bool) -> tuple[RulesetAttribute, int]:
    """Return what a ruleset handles under an ABI, and the size of the structure that this ABI knows."""
    alone = not network
    rights = RulesetAttribute(
        access_fs=_since(version, FILE_RIGHTS) | (alone and _since(version, ALONE_FILE_RIGHTS)),
        access_net=alone and _since(version, ALONE_NET_RIGHTS),
        scoped=_since(version, SCOPES),
    )
    return rights, sum(size for since, size in SIZES if version >= since)


def _since(version: int, table: tuple[tuple[int, int], ...]) -> int:
    rights = 0
    for since, bits in table:
        if version >= since:
            rights |= bits
    return rights


def restrict(rules: list[tuple[str, str]], *, network: bool) -> int:
    """Confine this process for ever; return the ABI in force, 0 where there is no Landlock.

    Args:
        rules: pairs of path and `ro`, `rw` or `dev`.
        network: leave TCP alone, because a network namespace does that work.

    Raises:
        OSError: the kernel has Landlock and refused.
    """
    version = abi()
    if version == 0:
        return 0
    handled, size = attribute(version, network=network)
    ruleset = demand(syscall(CREATE_RULESET, ctypes.byref(handled), size, 0), "landlock ruleset")
    try:
        for path, kind in rules:
            _allow(ruleset, path, RIGHTS[kind] & handled.access_fs)
        demand(syscall(RESTRICT_SELF, ruleset, 0), "landlock")
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENXIO):
            return
        raise
    try:
        allowed = rights if stat.S_ISDIR(os.fstat(fd).st_mode) else rights & ON_FILES
        rule = PathBeneath(allowed=allowed, parent=fd)
        demand(syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0), f"landlock rule {path}")
    finally:
        os.close(fd)
