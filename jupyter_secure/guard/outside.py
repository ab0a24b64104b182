"""What a process shows from outside, in `/proc`: nothing that the process itself could say."""

from __future__ import annotations

from pathlib import Path

from . import cgroup

NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts")
FIELDS = ("NoNewPrivs", "Seccomp", "CapEff", "CapBnd")


def measure(pid: int) -> dict[str, str]:
    """Return status fields, and for each namespace and the cgroup `own` or `shared` (with this process).

    What cannot be read is left out, and then counts as not in force.
    """
    shown: dict[str, str] = {}
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return shown
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    shown |= {name: fields[name].strip() for name in FIELDS if name in fields}
    for name in NAMESPACES:
        try:
            theirs, ours = (str(Path(f"/proc/{who}/ns/{name}").readlink()) for who in (pid, "self"))
        except OSError:
            continue
        shown[f"ns_{name}"] = "shared" if theirs == ours else "own"
    return shown | cgroup.shown(pid)


def born(pid: int) -> int:
    """Return the start time of a process in clock ticks; tells two processes of the same number apart.

    Raises:
        OSError: there is no such process.
    """
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
