"""The vault and who is at the sidebar: its state, opening it, logging in and out."""

from __future__ import annotations

from typing import Literal

from jupyter_secure.protocol.noun import Count
from jupyter_secure.protocol.principal import Principal

from .message import Confidential, Message, Secret, Text


class State(Message):
    """Ask whether the vault is open. Answered by `StateReply`."""


class Unlock(Confidential):
    """Open the vault; the passphrase crosses the private socket only. Answered by `StateReply`.

    Attributes:
        ticket: of the person who typed it in the sidebar; None from the terminal that started the server.
    """

    passphrase: Secret
    ticket: Text | None = None


class UnlockFromKeyring(Message):
    """Open the vault with what the operating system's keyring holds; the broker fetches it itself.

    Answered by `StateReply`.
    """


class Login(Confidential):
    """Prove who one is by name and password. Answered by `Session`."""

    user: Text
    password: Secret


class WhoAmI(Confidential):
    """Ask who a ticket stands for now, with the roles of now. Answered by `Session`."""

    ticket: Text


class Logout(Confidential):
    """End a ticket. Answered by `Done`."""

    ticket: Text


class Stop(Message):
    """End the broker in good order. Answered by `Done`, then the process ends."""


class StateReply(Message):
    """The broker's own state."""

    vault: Literal["unlocked", "locked"]
    version: str
    pid: Count
    log_size: Count


class Session(Confidential):
    """A proved identity. The ticket is empty in the answer to `WhoAmI`."""

    principal: Principal
    ticket: str
    expires_at: Count
