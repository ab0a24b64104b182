"""Which file system a folder lies on, from the system's table of mounts (`proc_pid_mountinfo(5)`)."""

from __future__ import annotations

import re
from pathlib import Path

TABLE = Path("/proc/self/mountinfo")
# What is written there is on another computer too; 9p is the host's side of WSL2 and of some machines.
NETWORK = (
    "9p afs beegfs ceph cifs coda davfs fuse.ceph fuse.davfs fuse.davfs2 fuse.gcsfuse fuse.glusterfs fuse.rclone "
    "fuse.s3fs fuse.sshfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 orangefs pvfs2 smb2 smb3 smbfs"
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_kind(folder: str) -> str:
    """Return the network file system that holds a folder (its real path), empty for one of this computer."""
    holding, kind = "", ""
    for point, found in _mounts():
        # Of two mounts on one point the later one is seen.
        if (folder == point or folder.startswith(point.rstrip("/") + "/")) and len(point) >= len(holding):
            holding, kind = point, found
    return kind if kind in NETWORK.split() else ""


def point_of_kind(kind: str) -> str:
    """Return where a file system of a kind is mounted, empty if it is not."""
    return next((point for point, found in _mounts() if found == kind), "")


def _mounts() -> list[tuple[str, str]]:
    found = []
    for line in TABLE.read_text(errors="surrogateescape").splitlines():
        place, _, source = line.partition(" - ")
        point = _ESCAPED.sub(lambda code: chr(int(code.group(1), 8)), place.split()[4])
        found.append((point, source.split()[0]))
    return found
