"""The attacker's ground: a server with a guarded kernel, run as root or as an ordinary person, and what is private."""

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from jupyter_secure.guard import probe

DRIVER = Path(__file__).with_name("guarded_server.py")
UID = 61_234  # nobody's: no files, no account, no group
TOKEN = "token-of-the-server-4f1c"
SECRET = "secret-of-the-vault-9d2e"


def unavailable(level, who):
    """Return why this combination cannot be tried here, or nothing."""
    host = probe.host()
    if level == "G3" and not host.bubblewrap.works:
        return f"LOUD SKIP, bubblewrap does not work here: {host.bubblewrap.why}"
    if level == "G2" and not host.landlock:
        return "LOUD SKIP, this kernel has no Landlock"
    if who == "person" and os.getuid() != 0:
        return "runs as an ordinary person already; the combination `self` covers it"
    if who == "person" and not (shutil.which("setpriv") and shutil.which("unshare")):
        return "LOUD SKIP, no setpriv: the attacks were not tried as an ordinary person"
    return ""


def as_person(command):
    """Return the command line that runs a command as an ordinary person who can read Python's installation.

    An interpreter below root's home is out of everybody's reach; in a mount namespace of its own that home is replaced
    by an empty folder which holds the interpreter and nothing else.
    """
    base = os.path.realpath(sys.base_prefix)
    home = pwd.getpwuid(0).pw_dir
    steps = []
    if base.startswith(f"{home}/"):
        steps = [
            f"keep=$(mktemp -d) && mount --bind {base} $keep",
            f"mount -t tmpfs -o mode=755 tmpfs {home}",
            f"mkdir -p {base} && mount --move $keep {base} && rmdir $keep",
        ]
    drop = f"exec setpriv --reuid {UID} --regid {UID} --clear-groups --inh-caps=-all --bounding-set=-all"
    script = " && ".join([*steps, f'{drop} -- "$@"'])
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]


class Ground:
    """One server with one guarded kernel."""

    def __init__(self, level, who):
        self.level, self.who = level, who
        self.place = Path(tempfile.mkdtemp(prefix="attack-"))
        self.home, self.work, self.vault = (self.place / name for name in ("home", "work", "vault"))
        for folder in (self.home, self.work, self.vault, self.home / ".ssh", self.home / ".jupyter"):
            folder.mkdir()
        self.key = self.vault / "master.key"
        self.key.write_text(SECRET)
        (self.home / ".ssh" / "id_ed25519").write_text(SECRET)
        (self.work / "data.csv").write_text("a,b\n1,2\n")
        (self.work / ".git" / "hooks").mkdir(parents=True)
        if who == "person":
            for path in (self.place, *self.place.rglob("*")):
                os.chown(path, UID, UID)
        self.vault.chmod(0o700)
        self.server = self._start()
        self.pid = self.server.pid  # each command on the way executes the next, so this is the server itself
        started = self.ask("start")
        self.kernel, self.folder = started["kernel"], Path(started["folder"])

    def _environment(self):
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "JUPYTER_TOKEN": TOKEN,
            "JUPYTERHUB_API_TOKEN": TOKEN,
            "SSH_AUTH_SOCK": str(self.home / "agent"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _command(self, *arguments):
        command = [sys.executable, *map(str, arguments)]
        return as_person(command) if self.who == "person" else command

    def _start(self):
        return subprocess.Popen(
            self._command(DRIVER, self.work, self.vault, self.level),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment(),
            cwd="/",
            text=True,
        )

    def ask(self, op, **arguments):
        """Give the server an order and return its answer."""
        self.server.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        self.server.stdin.flush()
        answer = json.loads(self.server.stdout.readline())
        assert "failed" not in answer, answer["failed"]
        return answer

    def inside(self, code, timeout=60):
        """Run code in the guarded kernel; return what it said, whether it succeeded or not."""
        return self.ask("run", kernel=self.kernel, code=code, timeout=timeout)["text"]

    def outside(self, code):
        """Run the same code as the same person without any walls: the proof that an attack works at all."""
        done = subprocess.run(
            self._command("-c", code),
            capture_output=True,
            text=True,
            env=self._environment(),
            cwd=self.work,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    def close(self):
        self.server.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.server.wait(30)
        self.server.kill()
        self.server.stdout.close()
        shutil.rmtree(self.place, ignore_errors=True)
