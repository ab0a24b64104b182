"""The sealed stream between a worker and a kernel: the constants that both ends must share.

A fresh content key is wrapped to the kernel's public key (HPKE, RFC 9180, base mode); frames follow under AES-256-GCM.
The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizar, CRYPTO 2015): the nonce is a counter and a marker of
what the frame is, so that a frame that is missing, moved, repeated or added cannot be opened, and a stream without its
last frame is known to be cut. Promises: no nonce is used twice under one key, because each stream has its own key.
See docs/spec/view-v1.md.
"""

from __future__ import annotations

import enum
import struct

from .canonical import canonical

CONTEXT = (
    b"jupyter-secure view v1\0"  # put before `info`, so that another version's stream cannot be opened as this one
)
FRAME = 1 << 20  # most plaintext bytes in one frame
HEADER = struct.Struct("<B3xI")  # what the frame is, length of its plaintext; authenticated with the frame
TRAILER = struct.Struct("<QQ")  # content of the last frame: rows, bytes of the Arrow stream
TAG = 16


class Frame(enum.IntEnum):
    """What a frame is."""

    DATA = 0  # a piece of the Arrow stream
    END = 1  # the last frame of a complete stream; holds the trailer
    FAILED = 2  # the last frame of a stream that broke off; holds the code of an error


def nonce(number: int, frame: Frame) -> bytes:
    """Return the 12 bytes for frame `number`, counted from 0: eleven of counter, one of marker."""
    return number.to_bytes(11, "big") + bytes((frame,))


def bind(grant: str, request: str, decision: str) -> str:
    """Return the `info` that ties one stream to the grant, the request and the digest of the decision behind it."""
    return canonical({"decision": decision, "grant": grant, "request": request}).decode()


# A column may travel shorter than it is shown. Run-end encoding is Arrow's own; a token of 16 hex characters travels as
# uint64 in big-endian order of its characters, marked in the field's metadata.
ENCODING = b"jupyter-secure"
HEX = b"hex"
