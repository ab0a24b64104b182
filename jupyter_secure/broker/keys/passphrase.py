"""The built-in provider: a random root key, wrapped under a key that Argon2id makes from a passphrase (RFC 9106).

The wrapped root is its own key check: its AES-GCM tag fails for any other passphrase. The passphrase can therefore be
changed without touching a wrapped key. Steps of `open`: check that the cost is neither weak nor absurd, derive, unwrap
the root. A wrong passphrase is an `UnlockError` and changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import unicodedata
from typing import ClassVar, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.errors import IntegrityError, InvalidRequestError, LockedError, UnlockError
from jupyter_secure.protocol.noun import Noun

from .provider import Context, Openers, Settings, Wrapped, register

NONCE = 12
MIN_PASSPHRASE = 12


class Cost(Noun):
    """What one guess costs (RFC 9106 section 3.1)."""

    memory_kib: int
    passes: int
    lanes: int


class PassphraseProvider:
    """A root key in memory.

    Attributes:
        cost: what new vaults demand.
        floor: the least that an existing vault may claim; less means that someone weakened it.
    """

    scheme: ClassVar[str] = "passphrase"
    cost: ClassVar[Cost] = Cost(memory_kib=64 * 1024, passes=3, lanes=4)
    floor: ClassVar[Cost] = Cost(memory_kib=19 * 1024, passes=2, lanes=1)
    ceiling: ClassVar[Cost] = Cost(memory_kib=1024 * 1024, passes=16, lanes=16)

    def __init__(self, root: bytes, settings: Settings) -> None:
        self._root: bytes | None = root
        self._settings = dict(settings)

    @classmethod
    def create(cls, passphrase: str) -> Self:
        """Make a new root under a passphrase.

        Raises:
            InvalidRequestError: the passphrase is too short.
        """
        root = secrets.token_bytes(32)
        return cls(root, cls._protect(root, passphrase))

    @classmethod
    def open(cls, settings: Settings, passphrase: str) -> Self:
        """Open the root of an existing vault.

        Raises:
            UnlockError: the passphrase is another one.
            IntegrityError: the settings are not ones that `create` writes.
        """
        cost, salt, sealed = cls._read(settings)
        key = _derive(passphrase, salt, cost)
        try:
            root = AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], _associated(cost, salt))
        except InvalidTag:
            raise UnlockError from None
        return cls(root, settings)

    @property
    def uri(self) -> str:
        """Name the provider; the root is known by its salt."""
        return f"{self.scheme}:argon2id"

    @property
    def settings(self) -> Settings:
        """Return what `open` needs besides the passphrase; nothing in it is secret."""
        return dict(self._settings)

    def change(self, passphrase: str) -> None:
        """Put the same root under another passphrase; `settings` must then be stored."""
        self._settings = dict(self._protect(self._held(), passphrase))

    def wrap(self, key: bytes, context: Context) -> Wrapped:
        """Wrap a key under the root, AES-256-GCM with a random nonce."""
        nonce = secrets.token_bytes(NONCE)
        ciphertext = nonce + AESGCM(self._held()).encrypt(nonce, key, context.associated())
        return Wrapped(provider=self.uri, key_id="root", key_version=1, ciphertext=ciphertext)

    def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """Return the key; see `KeyProvider.unwrap`."""
        root = self._held()
        if wrapped.provider != self.uri or len(wrapped.ciphertext) < NONCE + 16:
            raise IntegrityError(detail="a key was wrapped by another provider")
        try:
            return AESGCM(root).decrypt(wrapped.ciphertext[:NONCE], wrapped.ciphertext[NONCE:], context.associated())
        except InvalidTag:
            raise IntegrityError(detail=f"key {context.purpose}/{context.name} does not open") from None

    def destroy(self) -> None:
        """Forget the root and every setting that could bring it back."""
        self._root = None
        self._settings.clear()

    def health(self) -> None:
        """See `KeyProvider.health`."""
        self._held()

    def _held(self) -> bytes:
        if self._root is None:
            raise LockedError
        return self._root

    @classmethod
    def _protect(cls, root: bytes, passphrase: str) -> Settings:
        if len(passphrase) < MIN_PASSPHRASE:
            raise InvalidRequestError(
                f"A passphrase has at least {MIN_PASSPHRASE} characters; a few words are easy to remember."
            )
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(NONCE)
        key = _derive(passphrase, salt, cls.cost)
        sealed = nonce + AESGCM(key).encrypt(nonce, root, _associated(cls.cost, salt))
        return {
            "kdf": "argon2id",
            "memory_kib": cls.cost.memory_kib,
            "passes": cls.cost.passes,
            "lanes": cls.cost.lanes,
            "salt": base64.b64encode(salt).decode(),
            "root": base64.b64encode(sealed).decode(),
        }

    @classmethod
    def _read(cls, settings: Settings) -> tuple[Cost, bytes, bytes]:
        try:
            cost = Cost(**{name: int(settings[name]) for name in ("memory_kib", "passes", "lanes")})
            salt = base64.b64decode(str(settings["salt"]), validate=True)
            sealed = base64.b64decode(str(settings["root"]), validate=True)
        except (KeyError, ValueError, binascii.Error):
            raise IntegrityError(detail="the vault's passphrase settings are incomplete") from None
        # Both ends are checked: too cheap invites guessing, too dear would hang whoever unlocks.
        fair = all(
            least <= got <= most
            for least, got, most in (
                (cls.floor.memory_kib, cost.memory_kib, cls.ceiling.memory_kib),
                (cls.floor.passes, cost.passes, cls.ceiling.passes),
                (cls.floor.lanes, cost.lanes, cls.ceiling.lanes),
            )
        )
        if not fair or settings.get("kdf") != "argon2id" or len(salt) != 16 or len(sealed) != NONCE + 32 + 16:
            raise IntegrityError(detail="the vault's passphrase settings are out of bounds")
        return cost, salt, sealed


def _derive(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    kdf = Argon2id(salt=salt, length=32, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib)
    # Normalised, because two keyboards may spell one accented letter in two ways (SP 800-63B section 3.1.1.2).
    return kdf.derive(unicodedata.normalize("NFKC", passphrase).encode("utf-8", "surrogatepass"))


def _associated(cost: Cost, salt: bytes) -> bytes:
    return canonical({"purpose": "root", "cost": cost, "salt": salt.hex()})


def openers(provider: type[PassphraseProvider]) -> Openers:
    """Return how such providers are made, whatever the rest of the URI, and opened."""
    return Openers(lambda _, passphrase: provider.create(passphrase), provider.open)


register(PassphraseProvider.scheme, openers(PassphraseProvider))
