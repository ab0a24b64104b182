"""A vault: folder, store, keys, datasets and log, put together.

It exists *locked* (public keys only: manifests, log and files can be verified) and is *unlocked* by its key provider's
secret. Promises: a failed unlock changes nothing but the log; public keys that do not belong to the private ones in the
store are refused; every change that this class makes is in the log before the call returns.

Steps of `create`: provider, folder, store, keys, public keys into `vault.json`, first log entry. If one fails, what was
made is removed again.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from msgspec import structs
from sqlalchemy import Engine

from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.keys.keychain import SIGNING, Keychain, Purpose
from jupyter_secure.broker.keys.passphrase import PassphraseProvider
from jupyter_secure.broker.keys.provider import KeyProvider, make_provider, open_provider, secret_of
from jupyter_secure.broker.keys.signing import Verifier
from jupyter_secure.broker.sealed import writer
from jupyter_secure.broker.sealed.catalog import Catalog
from jupyter_secure.broker.sealed.contents import Content, Fresh
from jupyter_secure.broker.sealed.source import Source
from jupyter_secure.broker.store import database, postgres
from jupyter_secure.broker.store.folder import VaultFolder
from jupyter_secure.protocol.dataset import DatasetVersion, Measure, Tag
from jupyter_secure.protocol.errors import (
    ConflictError,
    InstallationError,
    IntegrityError,
    InvalidRequestError,
    SecureError,
    UnlockError,
)
from jupyter_secure.protocol.record import Header, Kind, Personal

FORMAT = "jupyter-secure-vault-v1"
Clock = Callable[[], int]


def wall_clock() -> int:
    """Return milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Vault:
    """An existing vault, locked or unlocked.

    Attributes:
        id: names the vault in keys, manifests and the operating system's keyring.
        engine: its database.
        keychain: its keys; every use of a private one is a `LockedError` until `unlock`.
        catalog: its sealed datasets.
        audit: its log; writes while locked too, signs once unlocked.
        now: milliseconds since 1970.
    """

    def __init__(self, folder: VaultFolder, engine: Engine, config: Mapping[str, Any], now: Clock) -> None:
        self.folder = folder
        self.engine = engine
        self.now = now
        self.id = str(config["id"])
        self._provider_uri = str(config["provider"])
        self._public = {purpose: _public_key(config, purpose) for purpose in SIGNING}
        self.keychain = Keychain(engine, self.id)
        self.catalog = Catalog(folder.datasets, engine, self.verifier(Purpose.MANIFEST), self.id)
        self.audit = AuditLog(engine, self.keychain.signer(Purpose.LOG), now, anchor=folder.checkpoint_path)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        secret: str,
        keys: str = PassphraseProvider.scheme,
        now: Clock = wall_clock,
        database_url: str | None = None,
    ) -> Self:
        """Make a vault and return it unlocked; its database is a file in it, or an empty one elsewhere (PostgreSQL).

        `keys` is the URI of the key provider (`keys.provider`), `secret` opens it: the passphrase, by default.

        Raises:
            ConflictError: something is at that place, or the database belongs to a vault already.
            InvalidRequestError: the passphrase is too short, or a URL is not acceptable.
            UnlockError, LockedError: the key provider refuses the secret, or does not answer.
            UnavailableError, InstallationError: the database elsewhere does not answer, or is not ready.
            AuditUnavailableError: the first entry of the log could not be written.
        """
        held = make_provider(keys, secret)
        config = {
            "format": FORMAT,
            "id": secrets.token_hex(16),
            "created": now(),
            "provider": held.uri,
            "settings": dict(held.settings),
        }
        if database_url is not None:
            config["database"] = postgres.parse_url(database_url).render_as_string()
        folder = VaultFolder.create(path, config)
        with (
            _removed_on_failure(folder.path),
            _closed_on_failure(database.open_database(folder.database_url)) as engine,
        ):
            database.create(engine)
            keychain = Keychain(engine, str(config["id"]), held)
            keychain.create_vault_keys(now())
            config |= {_field(it): base64.b64encode(keychain.signer(it).public).decode() for it in SIGNING}
            folder.write_config(config)
            vault = cls(folder, engine, config, now)
            vault.keychain.attach(held)
            vault._append(Kind.VAULT_CREATED, "done")
        return vault

    @classmethod
    def open_locked(cls, path: str | os.PathLike[str], now: Clock = wall_clock) -> Self:
        """Open a vault without its keys.

        Raises:
            InstallationError: there is no vault, others can reach into it, or its description is damaged.
        """
        folder = VaultFolder(path)
        config = folder.read_config()
        _check_config(config)
        with _closed_on_failure(database.open_database(folder.database_url)) as engine:
            database.create(engine)
            return cls(folder, engine, config, now)

    @property
    def asks(self) -> str:
        """Say what a person types to unlock it (`passphrase`, `token`, `PIN`), empty for nothing."""
        return secret_of(self._provider_uri)

    @property
    def locked(self) -> bool:
        """Say whether the keys are out of reach."""
        return self.keychain.locked

    def verifier(self, purpose: Purpose) -> Verifier:
        """Return the public key for log, manifests or policies, as the vault's description names it."""
        return Verifier(self._public[purpose])

    def unlock(self, passphrase: str, personal: Personal | None = None) -> None:
        """Bring the keys into memory, and log that, under whoever tried.

        Raises:
            UnlockError: the passphrase is another one; logged, and nothing else has changed.
            IntegrityError: the description was changed, or the keys do not belong to it.
            AuditUnavailableError: the log cannot be written; the vault stays locked.
        """
        try:
            provider = self._open_provider(passphrase)
        except UnlockError:
            self._append(Kind.VAULT_UNLOCK_FAILED, "refused", personal)
            raise
        self.keychain.attach(provider)
        try:
            self._check_public_keys()
            self._append(Kind.VAULT_UNLOCKED, "done", personal)
        except SecureError:
            self.keychain.lock()
            raise

    def seal(
        self,
        source: Source,
        name: str,
        tags: Mapping[str, Tag | None],
        personal: Personal | None = None,
        expected: int | None = None,
        measure: Measure | None = None,
    ) -> DatasetVersion:
        """Seal a source as the next version; the intent is logged before it counts, the outcome after.

        If `expected` is given, the version has that number or nothing is sealed. A `measure` is for a first version.

        Raises:
            LockedError, InputFileError, InvalidRequestError, ConflictError, AuditUnavailableError: nothing was sealed.
        """
        return self.seal_content(Fresh(source, measure), name, tags, personal, expected)

    def seal_content(
        self,
        content: Content,
        name: str,
        tags: Mapping[str, Tag | None],
        personal: Personal | None = None,
        expected: int | None = None,
    ) -> DatasetVersion:
        """Seal what a new version is made of; as `seal`, which see."""
        _check_next(1 + max(self.catalog.versions(name), default=0), expected)
        intents: list[int] = []

        def record(version: DatasetVersion) -> None:
            _check_next(version.version, expected)  # again, because another may have been sealed meanwhile
            intents.append(self.audit.append(self._sealed(version, "permitted"), personal))

        try:
            version = writer.seal(
                self.catalog,
                self.keychain,
                content,
                name=name,
                tags=tags,
                now=self.now(),
                record=record,
            )
        except SecureError as error:
            if intents:
                self._append(Kind.DATASET_SEALED, "failed", personal, reference=intents[0], error=error.code)
            raise
        self.audit.append(structs.replace(self._sealed(version, "done"), reference=intents[0]), personal)
        return version

    def change_passphrase(self, old: str, new: str, personal: Personal | None = None) -> None:
        """Put the root key under another passphrase; no other key changes, and whoever is unlocked stays so.

        Raises:
            UnlockError: the old passphrase is another one; logged, and nothing was changed.
            InvalidRequestError: the new one is too short, or this vault's keys are not held by a passphrase.
            AuditUnavailableError: the log cannot be written; nothing was changed.
        """
        try:
            provider = self._open_provider(old)
        except UnlockError:
            self._append(Kind.VAULT_UNLOCK_FAILED, "refused", personal)
            raise
        if not isinstance(provider, PassphraseProvider):
            raise InvalidRequestError("This vault's keys are not held by a passphrase. Nothing was changed.")
        provider.change(new)
        with self.recorded(Kind.PASSPHRASE_CHANGED, personal):
            self.folder.write_config(self.folder.read_config() | {"settings": dict(provider.settings)})

    @contextlib.contextmanager
    def recorded(self, kind: Kind, personal: Personal | None = None, **fields: Any) -> Iterator[int]:
        """Log a change before it is made, and how it went after; without the first entry it is not made.

        Yields the number of the first entry; `fields` of the header stand in both.

        Raises:
            AuditUnavailableError: the log cannot be written.
        """
        reference = self._append(kind, "permitted", personal, **fields)
        try:
            yield reference
        except SecureError as error:
            self._append(kind, "failed", personal, reference=reference, error=error.code, **fields)
            raise
        self._append(kind, "done", personal, reference=reference, **fields)

    def close(self) -> None:
        """Forget the keys and close log and database."""
        self.audit.close()
        self.keychain.lock()
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_provider(self, secret: str) -> KeyProvider:
        # Read anew, because the passphrase may have been changed by another process since.
        config = self.folder.read_config()
        _check_config(config)
        return open_provider(self._provider_uri, config["settings"], secret)

    def _append(self, kind: Kind, outcome: str, personal: Personal | None = None, **fields: Any) -> int:
        return self.audit.append(Header(time=self.now(), kind=kind, outcome=outcome, **fields), personal)

    def _sealed(self, version: DatasetVersion, outcome: str) -> Header:
        return Header(
            time=self.now(),
            kind=Kind.DATASET_SEALED,
            outcome=outcome,
            dataset=version.name,
            version=version.version,
            columns=tuple(column.name for column in version.columns),
            rows=version.rows,
            extra={"digest": version.digest},
        )

    def _check_public_keys(self) -> None:
        for purpose in SIGNING:
            if self.keychain.signer(purpose).public != self._public[purpose]:
                raise IntegrityError(detail=f"vault.json has another {_field(purpose)}")


def _check_next(following: int, expected: int | None) -> None:
    if expected not in {None, following}:
        raise ConflictError(f"This would be version {following} of the dataset, not {expected}. Nothing was sealed.")


def _field(purpose: Purpose) -> str:
    return f"{purpose}_key"


def _public_key(config: Mapping[str, Any], purpose: Purpose) -> bytes:
    try:
        return base64.b64decode(str(config[_field(purpose)]), validate=True)
    except binascii.Error:
        raise IntegrityError(detail=f"vault.json: {_field(purpose)}") from None


def _check_config(config: Mapping[str, Any]) -> None:
    fields = ("id", "provider", *(_field(purpose) for purpose in SIGNING))
    if (
        config.get("format") != FORMAT
        or not isinstance(config.get("settings"), dict)
        or not all(isinstance(config.get(field), str) for field in fields)
    ):
        raise InstallationError(
            "This vault's description is damaged, unfinished or of another version of jupyter-secure.",
            detail="vault.json",
        )


@contextlib.contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextlib.contextmanager
def _closed_on_failure(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    except BaseException:
        engine.dispose()
        raise
