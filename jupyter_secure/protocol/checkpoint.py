"""Signed statements about a log: the C2SP formats `signed-note` and `tlog-checkpoint`, as text.

A note is a text, an empty line, and one line for each signature: an em dash, the key's name, and base64 of the key's id
followed by the signature. A checkpoint is a note whose text is the log's origin, its size, base64 of its root, and
extension lines. Parsing is strict, so that one meaning has one text. Signing and checking are the caller's: this module
says which bytes are signed and which signature belongs to which key.

Sources: c2sp.org/signed-note, c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable

from .noun import MAX_SAFE_INTEGER, Count, Noun
from .tlog import HASH_SIZE

ED25519 = 1  # the signature type in a key's id
MAX_NOTE = 64_000
_DASH = "\u2014"
_NAME = re.compile(r"[^\s+]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_LINE = re.compile(r"[^\x00-\x1f\x7f]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")

VerifySignature = Callable[[bytes, bytes], bool]


class Checkpoint(Noun):
    """What a log says of itself: its first `size` entries have this root.

    Attributes:
        root: 32 bytes.
        extensions: further lines, none of them empty.
    """

    origin: str
    size: Count
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the text that is signed.

        Raises:
            ValueError: a line would be empty or hold a control character, or the root is not a hash.
        """
        lines = [self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions]
        if len(self.root) != HASH_SIZE or not all(_LINE.fullmatch(line) for line in lines):
            raise ValueError("not a checkpoint")
        return "".join(line + "\n" for line in lines)


class Signature(Noun):
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes


class SignedNote(Noun):
    """A text and its signatures, none of them checked."""

    text: str
    signatures: tuple[Signature, ...]

    def signed_by(self, name: str, public_key: bytes, verify: VerifySignature) -> bool:
        """Say whether a signature of that Ed25519 key is there and right.

        Args:
            name: the key's name.
            public_key: 32 bytes.
            verify: says of (message, signature) whether the key made it.
        """
        wanted = (name, key_id(name, public_key))
        message = self.text.encode()
        return any(
            verify(message, found.signature) for found in self.signatures if (found.name, found.key_id) == wanted
        )


def key_id(name: str, public_key: bytes, kind: int = ED25519) -> bytes:
    """Return the 4 bytes that tell keys apart: a hash over name, signature type and key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:4]


def format_note(text: str, name: str, public_key: bytes, signature: bytes) -> str:
    """Return a text with one Ed25519 signature over its UTF-8 bytes.

    Raises:
        ValueError: the text does not end a line, or the name holds white space or a plus sign.
    """
    if not text.endswith("\n") or not _NAME.fullmatch(name):
        raise ValueError("not a note")
    line = base64.b64encode(key_id(name, public_key) + signature).decode()
    return f"{text}\n{_DASH} {name} {line}\n"


def parse_note(note: str) -> SignedNote:
    """Take a note apart.

    Raises:
        ValueError: it is not one.
    """
    body, blank, signatures = note.rpartition("\n\n")
    if len(note) > MAX_NOTE or not blank or not signatures.endswith("\n") or _CONTROL.search(note):
        raise ValueError("not a note")
    lines = signatures[:-1].split("\n")
    return SignedNote(text=body + "\n", signatures=tuple(_signature(line) for line in lines))


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint.

    Raises:
        ValueError: it is not one.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(_LINE.fullmatch(line) for line in lines):
        raise ValueError("not a checkpoint")
    origin, size, root, *extensions = lines
    digest = _decode(root)
    if not _SIZE.fullmatch(size) or int(size) > MAX_SAFE_INTEGER or len(digest) != HASH_SIZE:
        raise ValueError("not a checkpoint")
    return Checkpoint(origin=origin, size=int(size), root=digest, extensions=tuple(extensions))


def _signature(line: str) -> Signature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != _DASH or not _NAME.fullmatch(parts[1]):
        raise ValueError("not a signature line")
    content = _decode(parts[2])
    if len(content) <= 4:
        raise ValueError("not a signature line")
    return Signature(name=parts[1], key_id=content[:4], signature=content[4:])


def _decode(text: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
    if base64.b64encode(content).decode() != text:
        raise ValueError("not the one base64 form")  # unused bits set
    return content
