"""Masked views that are kept, encrypted, for the next time that exactly they are asked for.

Promises: a kept view is found only after the same decision as without it, and logged in the same way; it is named by
dataset version, key generation, policy and everything that makes a view (columns, masks, filters with the versions of
their lists, project, purpose, sample, limit, check), so whatever changes one of them makes it a stranger; its key hangs
on the dataset's own, so it is unreadable with the first rotation, deletion of a person or shredding; a damaged one is
dropped, recorded and made again. The broker's own process never holds a cell of it.

Steps of a hit: name -> key -> description and, unless it was looked through lately, GMAC -> content key sealed to the
kernel -> frames from file to pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from jupyter_secure._version import __version__
from jupyter_secure.broker.pouring import Kept
from jupyter_secure.broker.ruling import Ruling
from jupyter_secure.broker.vault import Vault
from jupyter_secure.broker.views.kept import KeepJob, describe
from jupyter_secure.broker.views.plan import ViewPlan
from jupyter_secure.broker.views.pool import TIMEOUT, WorkerPool
from jupyter_secure.broker.wholeness import Wholeness
from jupyter_secure.protocol.canonical import digest
from jupyter_secure.protocol.errors import IntegrityError
from jupyter_secure.protocol.record import Header, Kind, Personal
from jupyter_secure.protocol.view import Rung

LEAST = 100_000  # rows of the dataset; a smaller one is made as fast
MOST = 2 << 30  # bytes of all kept views together, unless the vault says otherwise
SETTING = "kept_views"
SCRATCH = ".keeping-"
LOG = logging.getLogger("jupyter_secure.broker")


class ViewCache:
    """The kept views of one vault."""

    def __init__(self, vault: Vault, pool: WorkerPool) -> None:
        self._vault = vault
        self._pool = pool
        self._folder = vault.folder.views
        self._busy = False
        self._seen = Wholeness()

    def find(self, ruling: Ruling) -> Kept | None:
        """Return the kept view of a ruling, None where there is none.

        Raises:
            AuditUnavailableError: it is damaged, and that cannot be recorded.
        """
        if not self._kept(ruling):
            return None
        path, generation = self._place(ruling)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            key = self._vault.keychain.view_key(ruling.version.name, generation, path.name)
            whole = self._seen.holds(path.name, fd)
            described, frames = describe(fd, key, path.name, whole=whole)
            self._seen.touch(path.name, fd, whole=not whole)
            return Kept(fd, frames, described, partial(self._seen.forget, path.name))
        except IntegrityError:
            os.close(fd)
            self._drop(path, ruling)
            return None
        except BaseException:
            os.close(fd)
            raise

    def keep_later(self, ruling: Ruling, plan: ViewPlan) -> None:
        """Keep a view that was just handed over, if a worker is idle; nobody waits for that."""
        if self._busy or not self._kept(ruling) or not self._pool.workers[1]:
            return
        self._busy = True
        task = asyncio.ensure_future(self._keep(ruling, plan))
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._busy = False
        if not task.cancelled() and (error := task.exception()):
            LOG.info("a view was not kept (%s)", type(error).__name__)

    async def _keep(self, ruling: Ruling, plan: ViewPlan) -> None:
        path, generation = await asyncio.to_thread(self._place, ruling)
        key = await asyncio.to_thread(self._vault.keychain.view_key, ruling.version.name, generation, path.name)
        with _scratch(path.parent) as (fd, scratch):
            await self._pool.begin(KeepJob(plan=plan, key=key, name=path.name), fd)
            if await asyncio.to_thread(self._place, ruling) == (path, generation):  # the key is still the same
                scratch.replace(path)
        await asyncio.to_thread(self._make_room)

    def _kept(self, ruling: Ruling) -> bool:
        return ruling.view.rung is Rung.MASKED and ruling.version.rows >= LEAST and limit(self._vault) > 0

    def _place(self, ruling: Ruling) -> tuple[Path, int]:
        generation = self._vault.catalog.sheets.generation(ruling.version.name)
        named = {
            "version": ruling.version.digest,
            "generation": generation,
            "policy": ruling.decision.policy,
            "view": digest(ruling.view),
            "program": __version__,  # a later one may mask in a better way
        }
        name = digest(named)
        return self._folder / ruling.version.name / name, generation

    def _drop(self, path: Path, ruling: Ruling) -> None:
        header = Header(
            time=self._vault.now(),
            kind=Kind.VIEW_DROPPED,
            outcome="done",
            request=ruling.request,
            dataset=ruling.version.name,
            version=ruling.version.version,
            error=IntegrityError.code,
        )
        self._vault.audit.append(header)
        path.unlink(missing_ok=True)

    def _make_room(self) -> None:
        for path in self._folder.glob(f"*/{SCRATCH}*"):  # what a killed broker left; one that is being made is younger
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > TIMEOUT:
                    path.unlink()
        left = limit(self._vault)
        for path, size in sorted(entries(self._folder), key=lambda it: -it[0].stat().st_mtime):
            left -= size
            if left < 0:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[tuple[int, Path]]:
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=folder, prefix=SCRATCH)
    try:
        yield fd, Path(name)
    finally:
        os.close(fd)
        Path(name).unlink(missing_ok=True)


def entries(folder: Path) -> list[tuple[Path, int]]:
    """Return the kept views and their bytes."""
    found = []
    for path in folder.glob("*/[!.]*"):
        with contextlib.suppress(FileNotFoundError):  # dropped meanwhile
            found.append((path, path.stat().st_size))
    return found


def limit(vault: Vault) -> int:
    """Return how many bytes of views may be kept, 0 for none."""
    return int(vault.folder.read_config().get(SETTING, MOST))


def forget(folder: Path, dataset: str) -> None:
    """Remove the kept views of a dataset; their keys are gone or will never be asked for again."""
    shutil.rmtree(folder / dataset, ignore_errors=True)


def clear(vault: Vault, personal: Personal | None = None) -> tuple[int, int]:
    """Remove all kept views; return how many there were and their bytes.

    Raises:
        AuditUnavailableError: the log cannot be written; nothing was removed.
    """
    found = entries(vault.folder.views)
    with vault.recorded(Kind.VIEWS_CLEARED, personal):
        shutil.rmtree(vault.folder.views, ignore_errors=True)
    return len(found), sum(size for _, size in found)


def restrict(vault: Vault, most: int, personal: Personal | None = None) -> None:
    """Say how many bytes of views may be kept, 0 for none; running brokers go by it from the next request on.

    Raises:
        AuditUnavailableError: the log cannot be written; nothing was changed.
    """
    with vault.recorded(Kind.VIEWS_CLEARED, personal, extra={"limit": str(most)}):
        vault.folder.write_config(vault.folder.read_config() | {SETTING: most})
        if not most:
            shutil.rmtree(vault.folder.views, ignore_errors=True)
