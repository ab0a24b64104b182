"""Attempts that the walls must stop, made from inside them before anything of the user's runs.

Each canary tries one way out and answers True if it was stopped. They aim at *bait* that the guard laid out for
this one start (`guard/bait.py`): listening TCP, UDP, path and abstract sockets, a folder with a secret, the guard's
own process. What can be faked by a wall that only looks like one (writes, chmod) is judged from outside, by the guard.
Promise: an attempt that is not stopped does no harm.
"""

# `pathlib` costs 10 ms of the start of every kernel.
# ruff: noqa: PTH101, PTH112, PTH116, PTH123, PTH208

from __future__ import annotations

import _socket  # `socket` costs 6 ms of the start of every kernel and adds nothing here
import ctypes
import os

from .process import syscall

CLONE_NEWUSER = 0x10000000
RLIMIT_FSIZE = 1
PTRACE_SEIZE = 0x4206
KEYCTL_GET_KEYRING_ID, SESSION_KEYRING = 0, -3
AF_VSOCK = 40
NUMBERS = {
    "x86_64": {"ptrace": 101, "unshare": 272, "prlimit64": 302, "keyctl": 250, "io_uring_setup": 425},
    "aarch64": {"ptrace": 117, "unshare": 97, "prlimit64": 261, "keyctl": 219, "io_uring_setup": 425},
}


def attempt(bait: dict, machine: str) -> dict[str, bool]:
    """Return for each canary whether it was stopped.

    Args:
        bait: `tcp` and `udp` ports, `unix` and `abstract` addresses, a `folder` that holds a file `secret`, `hidden`
            paths, `given` (what the plan opens, some of it below hidden paths), `code` (a folder of the installation),
            `pid` and `born` (start time) of the guard's process.
        machine: as `os.uname` says.
    """
    numbers = NUMBERS[machine]
    return {
        "tcp": _stopped(_tcp, bait["tcp"]),
        "udp": _stopped(_udp, bait["udp"]),
        "route": _stopped(_route),
        "unix_path": _stopped(_connect, bait["unix"]),
        "unix_abstract": _stopped(_connect, bait["abstract"]),
        "vsock": _stopped(_vsock),
        "secret_read": _stopped(_read, bait["folder"] + "/secret"),
        "secret_write": _stopped(_write, bait["folder"] + "/secret"),
        "secret_chmod": _chmod(bait["folder"] + "/secret"),
        "secret_truncate": _stopped(os.truncate, bait["folder"] + "/secret", 0),
        "folder_list": _stopped(_list, bait["folder"], []),
        "folder_write": _stopped(_create, bait["folder"] + "/planted"),
        "code_write": _stopped(_create, bait["code"] + "/planted-" + str(bait["born"])),
        "hidden": all(_stopped(_list, path, bait["given"]) for path in bait["hidden"]),
        "environ": _on_guard(bait, _read, f"/proc/{bait['pid']}/environ"),
        "signal": _on_guard(bait, os.kill, bait["pid"], 0),
        "ptrace": _on_guard(bait, _call, numbers["ptrace"], PTRACE_SEIZE, bait["pid"], 0, 0),
        "prlimit": _on_guard(bait, _prlimit, numbers["prlimit64"], bait["pid"]),
        "user_namespace": _stopped(_call, numbers["unshare"], CLONE_NEWUSER),
        "io_uring": _stopped(_io_uring, numbers["io_uring_setup"]),
        "keyring": _stopped(_call, numbers["keyctl"], KEYCTL_GET_KEYRING_ID, SESSION_KEYRING, 0),
    }


def _stopped(try_it: object, *arguments: object) -> bool:
    try:
        try_it(*arguments)
    except OSError:
        return True
    return False


def _on_guard(bait: dict, try_it: object, *arguments: object) -> bool:
    # In a namespace of its own the same number is another process, or none: then the guard cannot be reached.
    try:
        with open(f"/proc/{bait['pid']}/stat", "rb") as file:
            born = int(file.read().rpartition(b")")[2].split()[19])
    except OSError:
        return True
    return born != bait["born"] or _stopped(try_it, *arguments)


def _call(number: int, *arguments: int) -> None:
    answer = syscall(number, *arguments)
    if answer < 0:
        raise OSError(-answer, "refused")


def _tcp(port: int) -> None:
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    sock.settimeout(0.2)
    sock.connect(("127.0.0.1", port))


def _udp(port: int) -> None:
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", port))
    sock.send(b"reached")
    # A closed port of a private loopback answers at once, and the second send then reports it.
    sock.send(b"reached")


def _route() -> None:
    # RFC 5737 TEST-NET-1: connecting a datagram socket sends nothing, it only asks whether there is a way out.
    _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM).connect(("192.0.2.1", 9))


def _connect(address: str) -> None:
    _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM).connect(address)


def _vsock() -> None:
    _socket.socket(AF_VSOCK, _socket.SOCK_STREAM)


def _read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def _write(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY))


def _create(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _list(path: str, given: list) -> None:
    if not os.path.isdir(path):
        return _read(path)
    names = [f"{path}/{name}" for name in os.listdir(path)]
    # A kernelspec may lie below a hidden folder: the way to it is seen, and must lead nowhere else.
    ways = [name for name in names if any(place.startswith(name + "/") for place in given)]
    if all(name in given or (name in ways and _stopped(_list, name, given)) for name in names):
        raise OSError(2, "nothing else to be seen")
    return None


def _chmod(path: str) -> bool:
    # Where the filter answers "done" without doing it, the mode tells; where nothing can be seen, it was stopped.
    try:
        os.chmod(path, 0o640)
        return os.stat(path).st_mode & 0o777 != 0o640
    except OSError:
        return True


def _prlimit(number: int, pid: int) -> None:
    room = (ctypes.c_uint64 * 2)()
    answer = syscall(number, pid, RLIMIT_FSIZE, None, ctypes.byref(room))
    if answer < 0:
        raise OSError(-answer, "refused")


def _io_uring(number: int) -> None:
    parameters = ctypes.create_string_buffer(120)
    answer = syscall(number, 1, ctypes.byref(parameters))
    if answer < 0:
        raise OSError(-answer, "refused")
    os.close(answer)
