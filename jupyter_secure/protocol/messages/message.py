"""Bases of all messages, and the kinds of text that several of them carry."""

from __future__ import annotations

from typing import Annotated

import msgspec

from jupyter_secure.protocol.noun import Noun

Text = Annotated[str, msgspec.Meta(max_length=4096)]

Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]

ChallengeId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]

Assertion = Annotated[str, msgspec.Meta(min_length=2, max_length=16384)]  # JSON text of a PublicKeyCredential


class Message(Noun, tag_field="type"):
    """Base of all messages; the tag is the name of the class."""


class Confidential(Message):
    """Base of messages that hold a passphrase, a password or a ticket: no traceback and no log shows them."""

    def __repr__(self) -> str:
        """Return the name of the message."""
        return f"{type(self).__name__}(...)"
