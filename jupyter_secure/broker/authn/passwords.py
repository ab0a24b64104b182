"""Passwords as Argon2id hashes in PHC string form.

Promises: cost as RFC 9106, section 4, second recommendation (64 MiB, three passes, four lanes); a salt of 128 random
bits for each hash; text is compared as NFKC (NIST SP 800-63B, section 3.1.1.2), so that one password typed on two
keyboards is one; comparison is constant-time; an unknown name costs the same as a wrong password, because `check` also
works when there is no hash.

One check takes about a tenth of a second and 64 MiB: callers inside an event loop use a thread, and few at once.
"""

from __future__ import annotations

import functools
import os
import unicodedata
from typing import NamedTuple

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from jupyter_secure.protocol.errors import InvalidRequestError

MINIMUM = 12  # characters; there is no rule on kinds of characters, because such rules make passwords weaker
MAXIMUM = 1024


class Cost(NamedTuple):
    """What one hash costs: `memory` in KiB."""

    memory: int = 65_536
    passes: int = 3
    lanes: int = 4


def require_strong(password: str) -> None:
    """Refuse a new password that is too short to be one.

    Raises:
        InvalidRequestError: as said; the sentence tells how long it must be.
    """
    if not MINIMUM <= len(_normal(password)) <= MAXIMUM:
        raise InvalidRequestError(f"A password has at least {MINIMUM} characters; a few words are easy to remember.")


def hash_password(password: str, cost: Cost | None = None) -> str:
    """Return the PHC string to store."""
    spent = cost or Cost()
    function = Argon2id(
        salt=os.urandom(16), length=32, iterations=spent.passes, lanes=spent.lanes, memory_cost=spent.memory
    )
    return function.derive_phc_encoded(_encode(password))


def check(password: str, stored: str | None, cost: Cost | None = None) -> bool:
    """Say whether the password is the one that was hashed; without a hash, take as long and say no."""
    try:
        Argon2id.verify_phc_encoded(_encode(password), stored or _decoy(cost or Cost()))
    except InvalidKey:
        return False
    return stored is not None


@functools.cache
def _decoy(cost: Cost) -> str:
    return hash_password(os.urandom(32).hex(), cost)


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def _encode(password: str) -> bytes:
    # A lone surrogate cannot be typed; it must not turn a wrong password into a crash either.
    return _normal(password[:MAXIMUM]).encode("utf-8", "surrogatepass")
