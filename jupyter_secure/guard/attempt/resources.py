"""Ways to take more than a share; judged by what the system counts. The limits are those of the trial."""

from __future__ import annotations

from . import shown
from .attempt import Attempt

FILLING = "a quota, where the file system has one; the broker refuses data when it cannot write its log"

ATTEMPTS = (
    Attempt(
        "memory",
        "takes more memory than its limit",
        'held = b"x" * at["memory"]\ntell(b"held")',
        lambda ground, evidence: shown.resident(evidence.pids) >= ground.more_memory,
    ),
    Attempt(
        "processes",
        "starts more processes than its limit",
        "import os, signal\n"
        'for _ in range(at["processes"]):\n'
        "    if os.fork() == 0:\n"
        "        signal.pause()\n"
        'tell(b"started")',
        lambda ground, evidence: len(shown.descendants(evidence.pids)) > ground.more_processes,
        open_to_root="the limit on processes does not bind root: run Jupyter as an ordinary person",
    ),
    Attempt(
        "large_file",
        "writes one file larger than its limit",
        "import os, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        'with open(at["work"] + "/large", "wb") as file:\n'
        '    for _ in range(at["file"] >> 20): file.write(bytes(1 << 20))',
        lambda ground, _: ground.size_of("large") >= ground.more_bytes,
    ),
    Attempt(
        "many_files",
        "fills the disk with files below the limit",
        "for number in range(3):\n"
        '    with open(f"{at[\'work\']}/part-{number}", "wb") as file:\n'
        '        file.write(bytes(at["file"] // 2))',
        lambda ground, _: sum(ground.size_of(f"part-{number}") for number in range(3)) > ground.more_bytes,
        open_at={"G2": FILLING, "G3": FILLING},
    ),
)
