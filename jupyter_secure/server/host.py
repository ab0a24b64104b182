"""What the guard may ask of this server: which folders to hide, and who takes a kernel's channel.

The guard does not import this zone; it finds this object on the kernel manager, in the attribute `secure_host`.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from jupyter_secure.protocol.grant import GuardReport

from .sessions import Ask, Review, Sessions


@dataclass(frozen=True)
class KernelHost:
    """The meeting point of guard and relay.

    Attributes:
        hidden: folders that no kernel may see.
        root: the folder that the file browser shows.
        sessions: the registry.
    """

    hidden: tuple[str, ...]
    root: str
    sessions: Sessions

    def attach(self, kernel_id: str, end: socket.socket, report: GuardReport, notebook: str) -> None:
        """Take a channel. `notebook` is a file name of this computer; our own record, below the root, is used instead.

        Raises:
            GuardError: nobody, or not the owner, started the kernel.
        """
        del notebook
        self.sessions.attach(kernel_id, end, report)

    async def egress(self, kernel_id: str, review: Review) -> Ask | None:
        """Return what asks about one connection of a kernel; None where policy gives whoever starts it no host."""
        return await self.sessions.egress(kernel_id, review)

    def detach(self, kernel_id: str) -> None:
        """Forget a kernel that is gone for good."""
        self.sessions.forget(kernel_id)
