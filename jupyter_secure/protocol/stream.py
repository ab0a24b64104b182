"""Envelopes and a sealed view in one response: how relay and broker speak over HTTPS.

A response is a row of frames: four bytes of length, big-endian, then the JSON of a `FromBroker`. Where the last
envelope is a `Delivery`, or an `Answer` with a seal, the sealed content (docs/spec/view-v1.md) follows as it is until
the end of the response. Promises: sizes are checked before anything is decoded; what follows is never looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from .errors import InvalidRequestError
from .messages import Answer, Delivery, FromBroker, Progress

MEDIA = "application/x-jupyter-secure"
LARGEST = 64 * 2**20  # bytes of one envelope, as on the local socket
_LENGTH = struct.Struct(">I")
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(FromBroker)


def frame(envelope: FromBroker) -> bytes:
    """Return one frame.

    Raises:
        InvalidRequestError: it is too long, or a text in it has no UTF-8 form.
    """
    try:
        body = _encoder.encode(envelope)
    except UnicodeEncodeError as error:
        raise InvalidRequestError(detail=str(error)) from None
    if len(body) > LARGEST:
        raise InvalidRequestError(detail="an envelope is too long")
    return _LENGTH.pack(len(body)) + body


def is_last(envelope: FromBroker) -> bool:
    """Say whether no further envelope follows."""
    return not isinstance(envelope.body, Progress)


def brings_data(envelope: FromBroker) -> bool:
    """Say whether sealed content follows."""
    return isinstance(envelope.body, Delivery) or (isinstance(envelope.body, Answer) and bool(envelope.body.seal))


class Unframer:
    """Takes a response apart as it arrives.

    Attributes:
        last: the last envelope has been seen; what arrives from then on is content.
    """

    def __init__(self, *, endless: bool = False) -> None:
        self.last = False
        self._endless = endless
        self._held = bytearray()

    def feed(self, chunk: bytes) -> Iterator[FromBroker]:
        """Yield every envelope that is complete now.

        Raises:
            InvalidRequestError: that is no such response.
        """
        self._held += chunk
        while not self.last and len(self._held) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._held)
            if length > LARGEST:
                raise InvalidRequestError(detail="an envelope is too long")
            end = _LENGTH.size + length
            if len(self._held) < end:
                return
            body = bytes(self._held[_LENGTH.size : end])
            del self._held[:end]
            try:
                envelope = _decoder.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise InvalidRequestError(detail=f"{type(error).__name__}: {error}"[:200]) from None
            self.last = is_last(envelope) and not self._endless
            yield envelope

    def rest(self) -> bytes:
        """Return, once, what arrived behind the last envelope."""
        held = bytes(self._held)
        self._held.clear()
        return held
