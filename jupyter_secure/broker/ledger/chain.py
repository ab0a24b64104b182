"""The hash chain of the ledger: each entry's hash covers its body and the hash before it, so the last one covers all.

A head (how many entries, hash of the last) is put into the audit log with every reservation. A ledger restored from a
backup is shorter than its newest anchor or differs there, and is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.errors import IntegrityError

START = "0" * 64
PUBLIC = (
    "The privacy ledger is not the one that was recorded, so no question is answered. "
    "Tell a data steward; restoring an older copy cannot bring budget back."
)


@dataclass(frozen=True, slots=True)
class Head:
    """The state of a ledger: number of entries and hash of the last one."""

    size: int = 0
    hash: str = START

    def __str__(self) -> str:
        return f"{self.size}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Return the head that `str` wrote.

        Raises:
            IntegrityError: it is none.
        """
        size, _, digest = text.partition(":")
        if not size.isdecimal() or len(digest) != len(START):
            raise broken("an anchor is malformed")
        return cls(int(size), digest)

    def followed_by(self, body: str) -> Head:
        """Return the head after one more entry."""
        return Head(self.size + 1, hashlib.sha256(f"{self.hash}\n{body}".encode()).hexdigest())


def body(**fields: object) -> str:
    """Return an entry's canonical text."""
    return canonical(fields).decode()


def commitment(salt: bytes, subject: str) -> str:
    """Return what the chain holds of a subject: nothing that names it once the salt is erased."""
    return hashlib.sha256(salt + subject.encode()).hexdigest()


def question_key(question: str, caps: list[int]) -> str:
    """Return the identity under which an answer is stored: the question, and the budgets that pay for it."""
    return hashlib.sha256(canonical([question, sorted(caps)])).hexdigest()


def broken(detail: str) -> IntegrityError:
    """Return the error for a ledger that is not what was recorded."""
    return IntegrityError(PUBLIC, detail=detail)
