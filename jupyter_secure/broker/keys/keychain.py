"""The keychain: one wrapped key per purpose and name, kept in the store, opened when first needed.

Purposes: a key-encryption key per dataset; the seeds that sign manifests, log and policies; the master of pseudonyms,
from which the key of one project, purpose and domain is derived. Promises: a key in clear is only ever in memory;
without an attached provider every call is a `LockedError`; a destroyed key never opens again, and its name is not
reused. Making a key is one insert, so two processes cannot both believe that theirs is the one.
"""

from __future__ import annotations

import enum
import secrets

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError as DuplicateKey

from jupyter_secure.broker.store.database import Family, scrub, transaction
from jupyter_secure.broker.store.tables.keys import KEYS
from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.errors import ConflictError, IntegrityError, LockedError

from .provider import Context, KeyProvider, Wrapped
from .signing import Signer


class Purpose(enum.StrEnum):
    """What keys are for."""

    DATASET = "dataset"
    MANIFEST = "manifest"
    LOG = "log"
    POLICY = "policy"
    PSEUDONYM = "pseudonym"
    TOTP = "totp"  # secrets of people's apps; they are kept beside the person, not among the keys


SINGLE = (Purpose.MANIFEST, Purpose.LOG, Purpose.POLICY, Purpose.PSEUDONYM)
SIGNING = (Purpose.MANIFEST, Purpose.LOG, Purpose.POLICY)


class KeptSigner:
    """A signer whose private key is unwrapped at its first use, so it can be handed out by a locked vault."""

    def __init__(self, keychain: Keychain, purpose: Purpose) -> None:
        self._keychain = keychain
        self._purpose = purpose

    @property
    def public(self) -> bytes:
        """Return the 32-byte public key."""
        return self._keychain.opened_signer(self._purpose).public

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature."""
        return self._keychain.opened_signer(self._purpose).sign(data)


class Keychain:
    """The named keys of one vault.

    Args:
        engine: the vault's store.
        vault: the vault's identifier, bound into every wrapped key.
    """

    def __init__(self, engine: Engine, vault: str, provider: KeyProvider | None = None) -> None:
        self._engine = engine
        self._vault = vault
        self._provider = provider
        self._keys: dict[tuple[Purpose, str, int], bytes] = {}
        self._signers: dict[Purpose, Signer] = {}

    @property
    def locked(self) -> bool:
        """Say whether keys can be opened."""
        return self._provider is None

    def attach(self, provider: KeyProvider) -> None:
        """Unlock."""
        self._provider = provider

    def lock(self) -> None:
        """Forget every key and the provider."""
        self._provider = None
        self._keys.clear()
        self._signers.clear()

    def create_vault_keys(self, now: int) -> None:
        """Make the keys that a vault has exactly once: three signing keys and the master of pseudonyms.

        Raises:
            ConflictError: they exist.
        """
        with transaction(self._engine, Family.KEYS) as connection:
            for purpose in SINGLE:
                self._create(connection, purpose, "", now)

    def ensure_dataset(self, name: str, now: int) -> None:
        """Make the key of a dataset if it has none.

        Raises:
            ConflictError: it had one, which was destroyed.
        """
        with transaction(self._engine, Family.KEYS) as connection:
            row = connection.execute(
                select(KEYS.c.destroyed).where(KEYS.c.purpose == Purpose.DATASET.value, KEYS.c.name == name)
            ).one_or_none()
            if row is None:
                self._create(connection, Purpose.DATASET, name, now)
            elif row.destroyed is not None:
                raise ConflictError("A dataset of that name was destroyed. Seal the data under another name.")

    def dataset_key(self, name: str, generation: int = 1) -> bytes:
        """Return the 32-byte key-encryption key of a dataset; there is only ever the newest generation of it.

        Raises:
            LockedError: the vault is locked.
            IntegrityError: there is none, it was destroyed, it is of another generation, or it does not open.
        """
        return self._open(Purpose.DATASET, name, generation)

    def fresh_dataset_key(self, name: str, generation: int) -> tuple[bytes, bytes]:
        """Return a new key for a dataset, in clear and as `replace_dataset` keeps it.

        Raises:
            LockedError: the vault is locked.
        """
        key = secrets.token_bytes(32)
        return key, self._held().wrap(key, self._context(Purpose.DATASET, name, generation)).encode()

    def replace_dataset(self, connection: Connection, name: str, wrapped: bytes) -> None:
        """Put a fresh key in the place of a dataset's, inside the caller's transaction; with its end the old is gone.

        Raises:
            ConflictError: the dataset has no key.
        """
        alive = (KEYS.c.purpose == Purpose.DATASET.value, KEYS.c.name == name, KEYS.c.destroyed.is_(None))
        if connection.execute(update(KEYS).where(*alive).values(wrapped=wrapped)).rowcount != 1:
            raise ConflictError("The dataset was destroyed. Nothing was changed.")
        self._forget(name)

    def signer(self, purpose: Purpose) -> KeptSigner:
        """Return the signer of manifests, log or policies; works on a locked vault until it has to sign."""
        return KeptSigner(self, purpose)

    def opened_signer(self, purpose: Purpose) -> Signer:
        """Return a signer with its private key in memory.

        Raises:
            LockedError: the vault is locked.
        """
        if purpose not in self._signers:
            self._signers[purpose] = Signer(self._open(purpose, ""))
        return self._signers[purpose]

    def pseudonym_key(self, project: str, purpose: str | None, domain: str) -> bytes:
        """Return the 32-byte key of pseudonyms of one project, purpose and domain.

        HKDF-SHA256 (RFC 5869) of the master; the three are encoded as canonical JSON, so no two different triples give
        the same input.
        """
        return self._derive({"use": "pseudonym", "project": project, "purpose": purpose, "domain": domain})

    def bounding_key(self, version: str) -> bytes:
        """Return the 32-byte key that picks which rows of a person count, of the version with that digest."""
        return self._derive({"use": "bounding", "version": version})

    def view_key(self, dataset: str, generation: int, entry: str) -> bytes:
        """Return the 32-byte key of one kept view; it goes with the dataset's own key.

        Raises:
            LockedError, IntegrityError: as `dataset_key`.
        """
        key = self.dataset_key(dataset, generation)
        return HKDF(SHA256(), 32, salt=None, info=canonical({"use": "view", "entry": entry})).derive(key)

    def wrap_secret(self, purpose: Purpose, name: str, secret: bytes) -> bytes:
        """Return a secret of at most 64 bytes in the form that is kept elsewhere in the store.

        Raises:
            LockedError: the vault is locked.
        """
        return self._held().wrap(secret, self._context(purpose, name)).encode()

    def unwrap_secret(self, purpose: Purpose, name: str, wrapped: bytes) -> bytes:
        """Return what `wrap_secret` wrapped.

        Raises:
            LockedError: the vault is locked.
            IntegrityError: it was changed, or is another person's.
        """
        return self._held().unwrap(Wrapped.decode(wrapped), self._context(purpose, name))

    def destroy_dataset(self, name: str, now: int) -> bool:
        """Shred a dataset: its wrapped key goes from memory and from the store, its name stays taken.

        Returns whether the store's old content is overwritten already: a reader in another process can put that off,
        and then the next call does it. Other processes that hold the key keep it until they lock or end.
        """
        self._forget(name)
        with transaction(self._engine, Family.KEYS) as connection:
            connection.execute(
                update(KEYS)
                .where(KEYS.c.purpose == Purpose.DATASET.value, KEYS.c.name == name, KEYS.c.destroyed.is_(None))
                .values(wrapped=None, destroyed=now)
            )
        return scrub(self._engine)

    def _derive(self, use: dict[str, str | None]) -> bytes:
        return HKDF(SHA256(), 32, salt=None, info=canonical(use)).derive(self._open(Purpose.PSEUDONYM, ""))

    def _create(self, connection: Connection, purpose: Purpose, name: str, now: int) -> None:
        wrapped = self._held().wrap(secrets.token_bytes(32), self._context(purpose, name))
        row = {"purpose": purpose.value, "name": name, "wrapped": wrapped.encode(), "provider": wrapped.provider}
        try:
            connection.execute(insert(KEYS).values(**row, created=now, destroyed=None))
        except DuplicateKey:
            raise ConflictError("This database holds the keys of a vault already. Nothing was changed.") from None

    def _forget(self, name: str) -> None:
        self._keys = {of: key for of, key in self._keys.items() if of[:2] != (Purpose.DATASET, name)}

    def _open(self, purpose: Purpose, name: str, generation: int = 1) -> bytes:
        provider = self._held()
        known = self._keys.get((purpose, name, generation))
        if known is not None:
            return known
        with self._engine.connect() as connection:
            stored = connection.execute(
                select(KEYS.c.wrapped).where(KEYS.c.purpose == purpose.value, KEYS.c.name == name)
            ).scalar()
        if stored is None:
            raise IntegrityError(detail=f"there is no key {purpose}/{name}")
        opened = provider.unwrap(Wrapped.decode(stored), self._context(purpose, name, generation))
        if purpose is Purpose.DATASET:
            self._forget(name)  # an older generation is not kept longer than it is needed
        self._keys[purpose, name, generation] = opened
        return opened

    def _context(self, purpose: Purpose, name: str, generation: int = 1) -> Context:
        return Context(vault=self._vault, purpose=purpose.value, name=name, version=generation)

    def _held(self) -> KeyProvider:
        if self._provider is None:
            raise LockedError
        return self._provider
