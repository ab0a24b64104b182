"""The vault on disk: which file lies where, and who may read it.

    vault.json        what must be known before the vault is open: key provider, public keys; no secret
    store.sqlite      the database, unless `vault.json` names one elsewhere
    datasets/         sealed datasets
    views/            masked views that are kept for the next time (`broker/cache.py`)
    checkpoint.note   the audit log's last signed checkpoint, remembered apart from the database

Promises: folders are 0700, files 0600, all of them owned by whoever runs the broker; a vault that somebody else owns or
can read is refused; a symbolic link is never followed to a vault.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, Self

from jupyter_secure.protocol.errors import ConflictError, InstallationError

from .durable import sync_folder, write_durably

_MISSING = "There is no vault here. Make one with `jupyter secure init`, or name another with `--vault`."
_DAMAGED = "The vault's description is damaged. Restore `vault.json` from a backup."
_OPEN = (
    "The vault can be read or written by other users of this computer, so it is not used. "
    "Make it yours alone: `chmod -R go= ` on the vault folder, and check its owner."
)


DEFAULT = "~/.local/share/jupyter-secure/vault"


def vault_path(given: str | None = None) -> Path:
    """Return where the vault is: the place that was named, or the usual one."""
    return Path(given or DEFAULT).expanduser()


class VaultFolder:
    """An existing vault.

    Args:
        path: the folder.
        copy: a copy is only read, to check it: owner and mode are then not demanded.

    Raises:
        InstallationError: there is no vault, or others can reach into it.
    """

    def __init__(self, path: str | os.PathLike[str], *, copy: bool = False) -> None:
        self.path = Path(path).absolute()
        self.config_path = self.path / "vault.json"
        self.database_path = self.path / "store.sqlite"
        self.datasets = self.path / "datasets"
        self.views = self.path / "views"
        self.checkpoint_path = self.path / "checkpoint.note"
        if not self.config_path.exists():
            raise InstallationError(_MISSING)
        if not copy:
            self.check()

    @classmethod
    def create(cls, path: str | os.PathLike[str], config: dict[str, Any]) -> Self:
        """Make a new vault that holds nothing but its description.

        Raises:
            ConflictError: something is there already.
        """
        folder = Path(path).absolute()
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if not folder.is_dir() or any(folder.iterdir()):
                raise ConflictError("There is something at that place already. Nothing was changed.") from None
            folder.chmod(0o700)
        (folder / "datasets").mkdir(mode=0o700)
        write_durably(folder / "vault.json", _encode(config))
        sync_folder(folder.parent)
        return cls(folder)

    @property
    def database_url(self) -> str:
        """The URL for `database.open_database`.

        Raises:
            InstallationError: the description is damaged.
        """
        return self._elsewhere() or f"sqlite:///{self.database_path}"

    @property
    def readable(self) -> Path | str:
        """What `database.open_read_only` reads."""
        return self._elsewhere() or self.database_path

    def _elsewhere(self) -> str | None:
        url = self.read_config().get("database")
        if url is not None and not isinstance(url, str):
            raise InstallationError(_DAMAGED, detail="database")
        return url

    def read_config(self) -> dict[str, Any]:
        """Return the description.

        Raises:
            InstallationError: it is missing or not JSON.
        """
        try:
            config = json.loads(self.config_path.read_bytes())
        except FileNotFoundError:
            raise InstallationError(_MISSING) from None
        except (OSError, ValueError) as error:
            raise InstallationError(_DAMAGED, detail=type(error).__name__) from None
        if not isinstance(config, dict):
            raise InstallationError(_DAMAGED, detail="not an object")
        return config

    def write_config(self, config: dict[str, Any]) -> None:
        """Replace the description durably."""
        write_durably(self.config_path, _encode(config))

    def check(self) -> None:
        """Refuse a vault that somebody else owns, can read, or has put a link into.

        Raises:
            InstallationError: as said.
        """
        for place in (self.path, self.datasets, self.config_path, self.database_path, self.checkpoint_path):
            try:
                found = place.lstat()
            except FileNotFoundError:
                continue
            foreign = found.st_uid != os.geteuid() or found.st_mode & 0o077
            if foreign or stat.S_ISLNK(found.st_mode):
                raise InstallationError(_OPEN, detail=f"{place.name}: uid {found.st_uid} mode {found.st_mode:o}")


def _encode(config: dict[str, Any]) -> bytes:
    return json.dumps(config, indent=2, sort_keys=True).encode() + b"\n"
