"""The service's certificate, and that it is never served without one beyond this computer.

Promises: TLS 1.3 alone; a certificate that was renewed on disk is taken up within `EVERY` seconds, or at once on
SIGHUP, by new connections, while old ones go on; files that do not fit together are left alone until they do; with a
client authority, nobody without a certificate of it gets as far as HTTP.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from jupyter_secure.protocol.errors import InstallationError

EVERY = 2.0
LOG = logging.getLogger("jupyter_secure.broker")
_PLAIN = (
    "The broker would be reached without encryption from beyond this computer, and tokens would travel in the clear. "
    "Name a certificate with --cert and --key, or bind a loopback address."
)
_UNUSABLE = "The certificate, its key or the client authority cannot be used. Check the files that you named."


@dataclass(frozen=True)
class Certificate:
    """Names of PEM files; `client_ca` demands certificates of relays."""

    cert: str
    key: str
    client_ca: str | None = None

    def context(self) -> ssl.SSLContext:
        """Read the files.

        Raises:
            InstallationError: they cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_cert_chain(self.cert, self.key)
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise InstallationError(_UNUSABLE, detail=type(error).__name__) from None
        return context

    def state(self) -> tuple[tuple[int, int, int], ...]:
        """Return what differs once a file was written or exchanged; a link is followed."""
        named = [name for name in (self.cert, self.key, self.client_ca) if name is not None]
        return tuple((found.st_mtime_ns, found.st_ino, found.st_size) for found in map(os.stat, named))


class Renewal:
    """Watches the files.

    Args:
        certificate: what to watch.
        take: called with each new context.
    """

    def __init__(self, certificate: Certificate, take: Callable[[ssl.SSLContext], None]) -> None:
        self._certificate = certificate
        self._take = take
        self._seen = certificate.state()

    async def watch(self) -> None:
        """Look every `EVERY` seconds, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            self.look()

    def look(self, *, always: bool = False) -> None:
        """Take up what was renewed."""
        try:
            state = self._certificate.state()
            if state == self._seen and not always:
                return
            context = self._certificate.context()
        except (OSError, InstallationError) as error:
            LOG.error("the renewed certificate cannot be used yet: %s", type(error).__name__)  # noqa: TRY400 - no trace
            return
        self._seen = state
        self._take(context)
        LOG.info("the certificate was renewed")


def require_private_line(address: str, certificate: Certificate | None) -> None:
    """Refuse plain HTTP beyond this computer.

    Raises:
        InstallationError: as said.
    """
    if certificate is None and not is_loopback(address):
        raise InstallationError(_PLAIN)


def is_loopback(address: str) -> bool:
    """Say whether an address is this computer's own; a name other than `localhost` is not believed to be."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
