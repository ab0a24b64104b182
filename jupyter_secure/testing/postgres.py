"""A real PostgreSQL server in a temporary folder, for tests.

It listens on a unix socket in a private folder and nowhere else, runs as an ordinary user (PostgreSQL refuses to be
root), and ends with the thread that started it. `durable=False` leaves out every fsync: never for a test about what
survives.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from jupyter_secure.protocol.errors import InstallationError

DEBIAN = Path("/usr/lib/postgresql")
OWNER = "owner"  # the server's superuser
_MISSING = "There is no PostgreSQL server here. Type:  sudo apt-get install postgresql"
_HASTY = ("fsync=off", "full_page_writes=off")
_SETTINGS = ("listen_addresses=", "unix_socket_permissions=0700", "shared_buffers=32MB", "max_connections=60")


def programs() -> Path:
    """Return the folder of PostgreSQL's programs; Debian keeps them off the PATH.

    Raises:
        InstallationError: there are none; the sentence says what to type.
    """
    on_path = shutil.which("initdb")
    found = sorted(DEBIAN.glob("*/bin"), key=_version)
    found += [Path(on_path).resolve().parent] if on_path and not found else []
    if not found or not all((found[-1] / name).exists() for name in ("initdb", "postgres", "psql")):
        raise InstallationError(_MISSING)
    return found[-1]


class PostgresServer:
    """One server and its databases.

    Attributes:
        folder: holds data and socket; readable by the server's user alone.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self._bin = programs()
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        self.folder = Path(tempfile.mkdtemp(prefix="jupyter-secure-pg-"))
        self._as: list[str] = []
        if os.geteuid() == 0:
            user = _ordinary_user()
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        sync = () if durable else ("--no-sync",)
        self._run("initdb", "-D", self.data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-locale", *sync)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def data(self) -> str:
        """The data folder."""
        return str(self.folder / "data")

    def url(self, name: str, role: str = OWNER) -> str:
        """Return the URL of a database for a role."""
        return f"postgresql://{role}@/{name}?host={self.folder}"

    def start(self) -> None:
        """Start, and return once it answers."""
        settings = (*_SETTINGS, f"unix_socket_directories={self.folder}", *(() if self._durable else _HASTY))
        command = [self._bin / "postgres", "-D", self.data, *(part for it in settings for part in ("-c", it))]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the server itself
                [*self._setpriv(), *command], stdout=log, stderr=log, cwd=self.folder
            )
        self._await()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT ends sessions and shuts down in order, SIGQUIT drops everything as a crash does."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(30)

    def sql(self, statements: str, database: str = "postgres", role: str = OWNER) -> str:
        """Run statements and return what they print, unaligned.

        Raises:
            CalledProcessError: one failed.
        """
        return self.run("psql", "-v", "ON_ERROR_STOP=1", "-qAtX", "-d", self.url(database, role), "-c", statements)

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs and return its output.

        Raises:
            CalledProcessError: it failed.
        """
        return self._run(program, *arguments)

    def create_database(self, template: str = "template0") -> str:
        """Make a database and return its name."""
        self._made += 1
        name = f"test_{self._made}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    @contextlib.contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Give the URL of a new database that is dropped at the end."""
        name = self.create_database(template)
        try:
            yield self.url(name)
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def _await(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(subprocess.CalledProcessError):
                self.sql("SELECT 1")
                return
            if time.monotonic() > deadline or self._process is None or self._process.poll() is not None:
                raise InstallationError(detail=(self.folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    def _setpriv(self) -> list[str]:
        # The server must not outlive the tests, however they end.
        return ["setpriv", *self._as, "--pdeathsig", "QUIT", "--"]

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - a program of PostgreSQL
            [*self._setpriv(), self._bin / program, *arguments],
            capture_output=True, text=True, check=True, cwd=self.folder, timeout=120,
        )  # fmt: skip
        return done.stdout.strip()


def _version(path: Path) -> float:
    return float(path.parent.name)


def _ordinary_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise InstallationError(_MISSING)
