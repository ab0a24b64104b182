"""The seccomp filter, assembled here and only loaded by the launcher.

A deny-list: an allow-list breaks with every new C library, and what is denied here is what leads out of the other walls
(other processes, mounts, namespaces, kernel surface, sockets beyond the permitted families). Pure: the same machine
and shape give the same bytes. Instructions are classic BPF over `struct seccomp_data` (`linux/filter.h`,
`linux/seccomp.h`); every block reloads what it needs, and a call that no block answers is allowed.
"""

from __future__ import annotations

import errno
import functools
import struct
from dataclasses import dataclass

from .syscalls import AUDIT_ARCH, NUMBERS

KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
X32 = 0x40000000

NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
QUERY_PERSONALITY = 0xFFFFFFFF
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
SOCK_DGRAM, SOCK_TYPE_MASK = 2, 0xF

_OTHER_PROCESSES = (
    "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise process_mrelease perf_event_open "
    "rt_sigqueueinfo rt_tgsigqueueinfo migrate_pages"
)
_KERNEL_SURFACE = "bpf userfaultfd add_key request_key keyctl iopl ioperm modify_ldt uselib ustat _sysctl"
_MOUNTS = (
    "mount umount2 pivot_root chroot open_tree open_tree_attr move_mount fsopen fsconfig fsmount fspick mount_setattr "
    "setns unshare"
)
_MACHINE = (
    "swapon swapoff reboot kexec_load kexec_file_load init_module finit_module delete_module syslog acct quotactl "
    "quotactl_fd open_by_handle_at fanotify_init clock_settime settimeofday clock_adjtime adjtimex sethostname "
    "setdomainname vhangup"
)
_NEVER = f"{_OTHER_PROCESSES} {_KERNEL_SURFACE} {_MOUNTS} {_MACHINE}"
# io_uring makes sockets without `socket`; the flags of clone3 lie behind a pointer. Programs fall back on ENOSYS.
_ABSENT = "io_uring_setup io_uring_enter io_uring_register clone3"
# Without namespaces of its own a kernel shares these with every process of the same person.
_SHARED_REFUSED = "connect shmget shmat msgget semget mq_open"
# Landlock does not cover them. "Done" without doing it, because ordinary copying fails otherwise.
_SHARED_PRETENDED = "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat futimesat"
_SHARED_UNSUPPORTED = (
    "setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat file_setattr"
)

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True)
class Shape:
    """Which filter: `private` means that the kernel has process, network and mount namespaces of its own."""

    machine: str
    private: bool


@functools.cache
def assemble(shape: Shape) -> bytes:
    """Return the filter as an array of `struct sock_filter`.

    Raises:
        KeyError: the machine is none that the table knows.
    """
    numbers = NUMBERS[shape.machine]
    code = _prologue(shape.machine)
    rules = [(_NEVER, errno.EPERM), (_ABSENT, errno.ENOSYS)]
    if not shape.private:
        rules += [(_SHARED_REFUSED, errno.EACCES), (_SHARED_PRETENDED, 0), (_SHARED_UNSUPPORTED, errno.ENOTSUP)]
    for names, error in rules:
        for number in [numbers[name] for name in names.split() if name in numbers]:
            code += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | error)]
    for name, body in _conditional(shape):
        code += [(EQUAL, 0, len(body) + 1, numbers[name]), *body, (RETURN, 0, 0, ALLOW)]
    code.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _prologue(machine: str) -> list[Instruction]:
    code = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, AUDIT_ARCH[machine]), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    if machine == "x86_64":
        code += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)]
    return code


def _conditional(shape: Shape) -> list[tuple[str, list[Instruction]]]:
    # Each body either returns an answer or falls out of its end, where the call is allowed.
    refuse = (RETURN, 0, 0, ERRNO | errno.EPERM)
    other_process = [_argument(0), (EQUAL, 1, 0, 0), refuse]
    return [
        ("clone", [_argument(0), (ANY_BIT, 0, 1, NEW_NAMESPACES), refuse]),
        ("prlimit64", other_process),
        ("move_pages", other_process),
        ("ioctl", [_argument(1), (EQUAL, 1, 0, TIOCSTI), (EQUAL, 0, 1, TIOCLINUX), refuse]),
        ("personality", [_argument(0), (EQUAL, 2, 0, 0), (EQUAL, 1, 0, QUERY_PERSONALITY), refuse]),
        ("socket", _families(private=shape.private)),
        ("socketpair", _families(private=shape.private)),
    ]


def _families(*, private: bool) -> list[Instruction]:
    refuse = (RETURN, 0, 0, ERRNO | errno.EACCES)
    if private:
        allowed = (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK)
        return [
            _argument(0),
            *((EQUAL, len(allowed) - place, 0, family) for place, family in enumerate(allowed)),
            refuse,
        ]
    # ZeroMQ asks for a netlink socket and aborts on any refusal but "not supported". A datagram socket of the Unix
    # family could send to any path by `sendmsg`, whose address no filter sees.
    return [
        _argument(0),
        (EQUAL, 3, 0, AF_UNIX),
        (EQUAL, 0, 1, AF_NETLINK),
        (RETURN, 0, 0, ERRNO | errno.EOPNOTSUPP),
        refuse,
        _argument(1),
        (AND, 0, 0, SOCK_TYPE_MASK),
        (EQUAL, 0, 1, SOCK_DGRAM),
        (RETURN, 0, 0, ERRNO | errno.EPERM),
    ]


def _argument(place: int) -> Instruction:
    # The low half of a 64-bit argument on a little-endian machine: each one tested here is an `int` to the kernel.
    return (LOAD, 0, 0, ARGUMENTS + 8 * place)
