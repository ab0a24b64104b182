"""Which bytes of an entry are hashed: header as it is, personal part as a salted commitment. Pure.

    header      canonical JSON of the fields that hold something
    personal    canonical JSON likewise, kept beside the log with a random salt
    commitment  hex SHA-256( "jsec-commit" 00 || salt || personal )
    leaf        canonical JSON {"commitment", "header", "seq", "v"}, hashed as RFC 6962 section 2.1 says

Erasing `personal` and `salt` leaves every leaf as it was, and nobody can guess the personal part from the commitment,
because the salt (32 bytes) is gone with it.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import msgspec

from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.noun import Noun
from jupyter_secure.protocol.record import Header, Personal
from jupyter_secure.protocol.tlog import leaf_hash

SALT_SIZE = 32
_header = msgspec.json.Decoder(Header)
_personal = msgspec.json.Decoder(Personal)


def encode(noun: Header | Personal) -> str:
    """Return the canonical text of the fields that hold something.

    Raises:
        ValueError: a field has no canonical form.
    """
    fields = msgspec.to_builtins(noun)
    return canonical({name: value for name, value in fields.items() if value not in (None, (), {})}).decode()


def decode_header(text: str) -> Header:
    """Read a header back.

    Raises:
        msgspec.DecodeError: it is not one.
    """
    return _header.decode(text)


def decode_personal(text: str) -> Personal:
    """Read a personal part back.

    Raises:
        msgspec.DecodeError: it is not one.
    """
    return _personal.decode(text)


def commit(salt: bytes, personal: str) -> str:
    """Return the commitment to a personal part, in hex."""
    return hashlib.sha256(b"jsec-commit\0" + salt + personal.encode()).hexdigest()


def leaf(seq: int, header: str, commitment: str) -> bytes:
    """Return the hash of an entry as a leaf; `header` is canonical text."""
    # Canonical JSON sorts the names, so the leaf's own can be written down; a test compares this with `canonical`.
    return leaf_hash(f'{{"commitment":"{commitment}","header":{header},"seq":{seq},"v":1}}'.encode())


class Draft(Noun):
    """An entry, complete but for its place in the log."""

    header: str
    personal: str
    salt: bytes
    commitment: str
    columns: dict[str, Any]

    @classmethod
    def make(cls, header: Header, personal: Personal, salt: bytes | None = None) -> Draft:
        """Encode both parts; a fresh salt unless one is given.

        Raises:
            ValueError: a field has no canonical form.
        """
        salt = secrets.token_bytes(SALT_SIZE) if salt is None else salt
        text = encode(personal)
        return cls(
            header=encode(header),
            personal=text,
            salt=salt,
            commitment=commit(salt, text),
            columns={**header_columns(header), **personal_columns(personal)},
        )

    def row(self, seq: int) -> dict[str, Any]:
        """Return the entry as it is stored at a place."""
        return {
            "seq": seq,
            "header": self.header,
            "commitment": self.commitment,
            "leaf": leaf(seq, self.header, self.commitment),
            "salt": self.salt,
            "personal": self.personal,
            **self.columns,
        }


def header_columns(header: Header) -> dict[str, Any]:
    """Return what is repeated of a header for searching."""
    return {"time": header.time, "kind": header.kind.value, "dataset": header.dataset}


def personal_columns(personal: Personal) -> dict[str, Any]:
    """Return what is repeated of a personal part for searching."""
    return {"user": searchable(personal.user), "notebook": searchable(personal.notebook)}


def searchable(text: str | None) -> str | None:
    """Return a text as a column holds it: PostgreSQL knows no NUL character."""
    return None if text is None else text.replace("\0", "\N{REPLACEMENT CHARACTER}")
