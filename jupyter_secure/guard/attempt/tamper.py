"""Ways to change the vault, its log or its broker; judged by what the files and the broker's process show after it."""

from __future__ import annotations

import os

from . import shown
from .attempt import Attempt

SCHEDULING = "the broker may become slow; nothing is lost"


def _changes(name: str, does: str, code: str) -> Attempt:
    return Attempt(name, does, f"import os\n{code}", lambda ground, _: ground.log_changed())


ATTEMPTS = (
    _changes("append_log", "appends to the log", 'open(at["log"], "ab").write(b"forged")'),
    _changes("truncate_log", "empties the log", 'os.truncate(at["log"], 0)'),
    _changes(
        "replace_log",
        "puts another file in the log's place",
        'open(at["work"] + "/forged", "w").close()\nos.rename(at["work"] + "/forged", at["log"])',
    ),
    _changes("unlink_log", "removes the log", 'os.unlink(at["log"])'),
    Attempt(
        "chmod_vault",
        "opens the vault's folder to everybody",
        'import os\nos.chmod(at["vault"], 0o777)',
        lambda ground, _: ground.vault_opened(),
    ),
    _changes("utime_log", "sets back the log's time", 'os.utime(at["log"], (1, 1))'),
    _changes(
        "reopen_log",
        "opens the log through the broker's own descriptor",
        "for fd in range(3, 32):\n"
        "    try:\n"
        "        path = f\"/proc/{at['pid']}/fd/{fd}\"\n"
        '        if os.readlink(path).count("audit.log"): open(path, "ab").write(b"forged")\n'
        "    except OSError:\n"
        "        pass",
    ),
    Attempt(
        "limit_broker",
        "forbids the broker to write large files, so that it can record nothing",
        'import ctypes\nroom = (ctypes.c_uint64 * 2)(1, 1)\ncall("prlimit64", at["pid"], 1, room, 0)',
        lambda ground, _: shown.file_limit(ground.broker.pid) == 1,
    ),
    Attempt(
        "starve_broker",
        "binds the broker to one processor",
        'import os\nos.sched_setaffinity(at["pid"], [min(os.sched_getaffinity(0))])',
        lambda ground, _: os.sched_getaffinity(ground.broker.pid) != os.sched_getaffinity(0),
        open_at={"G2": SCHEDULING},
    ),
)
