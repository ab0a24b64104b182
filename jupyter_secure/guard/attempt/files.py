"""Ways to read what was not given; judged by a secret that came out."""

from __future__ import annotations

import os
import stat

from .attempt import Attempt, Evidence, told

READ = 'tell(open(at["{place}"], "rb").read(4096))'
SHARED = "shared by all programs of the same person: keep nothing secret there"
NAMES_KNOWN = "sizes and times of files whose paths are known; contents stay closed"


def _reads(name: str, does: str, place: str, **more: object) -> Attempt:
    return Attempt(name, does, READ.format(place=place), told(place), **more)


def _block_device(_: object, evidence: Evidence) -> bool:
    return any(stat.S_ISBLK(os.fstat(fd).st_mode) for fd in evidence.fds)


ATTEMPTS = (
    _reads("master_key", "reads the vault's key file", "key"),
    _reads("ledger", "reads the ledger", "ledger"),
    Attempt(
        "list_vault", "lists the vault", 'import os\ntell(" ".join(os.listdir(at["vault"])).encode())', told("name")
    ),
    Attempt(
        "stat_vault",
        "looks at the size and number of the vault's key file",
        'import os\ns = os.stat(at["key"])\ntell(f"{s.st_ino} {s.st_size} {s.st_mtime_ns}".encode())',
        lambda ground, evidence: ground.stated() in evidence.said,
        open_at={"G2": NAMES_KNOWN},
    ),
    Attempt(
        "symlink_to_key",
        "reads the key through a symbolic link in the work folder",
        'import os\nos.symlink(at["key"], at["work"] + "/link")\ntell(open(at["work"] + "/link", "rb").read())',
        told("key"),
    ),
    Attempt(
        "hardlink_to_key",
        "makes a second name for the key in the work folder",
        'import os\nos.link(at["key"], at["work"] + "/hard")\ntell(open(at["work"] + "/hard", "rb").read())',
        lambda ground, evidence: ground.secrets["key"] in evidence.said or ground.linked("hard"),
    ),
    _reads("ssh_key", "reads a private SSH key", "ssh"),
    _reads("other_home", "reads another folder of the same disk", "other"),
    Attempt(
        "proc_root",
        "reads the key through another process's root",
        "tell(open(f\"/proc/{at['pid']}/root{at['key']}\", \"rb\").read())",
        told("key"),
    ),
    Attempt(
        "descriptor_and_dots",
        "climbs out of its own folder through a descriptor",
        "import os\n"
        'fd = os.open(at["work"], os.O_RDONLY)\n'
        'tell(open(f"/proc/self/fd/{fd}/../vault/master.key", "rb").read())',
        told("key"),
    ),
    _reads("other_connection_file", "reads another kernel's connection file", "connection"),
    _reads("server_file", "reads the Jupyter server's own file, which holds its token", "server"),
    Attempt(
        "open_by_handle",
        "opens the key by its number, past every path",
        "import ctypes, os\n"
        'handle = bytes.fromhex(at["handle"])\n'
        'fd = os.open(at["work"], os.O_RDONLY)\n'
        'tell(os.read(call("open_by_handle_at", fd, handle, os.O_RDONLY), 4096))',
        told("key"),
    ),
    _reads("shared_memory", "reads POSIX shared memory of another program", "shm", open_at={"G2": SHARED}),
    _reads("temporary_file", "reads another program's temporary file", "temporary"),
    Attempt(
        "sysv_memory",
        "attaches System V shared memory of another program",
        "import ctypes\n"
        "libc.shmat.restype = ctypes.c_void_p\n"
        'found = libc.shmat(at["segment"], None, 0o10000)\n'
        "if found != ctypes.c_void_p(-1).value: tell(ctypes.string_at(found, 64))",
        told("segment"),
    ),
    Attempt(
        "keyring",
        "reads a key that another program left in the kernel's keyring",
        "import ctypes\n"
        "buffer = ctypes.create_string_buffer(256)\n"
        'length = call("keyctl", 11, at["ring_key"], buffer, 256, 0)\n'
        "tell(buffer.raw[:length])",
        told("ring"),
    ),
    Attempt(
        "block_device",
        "opens a disk below its file system",
        "import os\n"
        'for name in at["disks"]:\n'
        "    try:\n"
        "        give(os.open(name, os.O_RDONLY))\n"
        "    except OSError:\n"
        "        pass",
        _block_device,
    ),
)
