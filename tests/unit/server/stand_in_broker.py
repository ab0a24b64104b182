"""A small real process that speaks the wire protocol: enough of a broker to test what starts and watches one.

Accounts `ann` (engineer), `bob` (scientist), `stella` (steward), `vera` (no role), all with the password `PASSWORD`;
the vault opens with `PASSPHRASE` and is locked again in each new process. A `Load` never ends; `Why` ends the process
in the middle.
"""

import argparse
import asyncio
import os
import secrets
import socket
import sys
from pathlib import Path

from jupyter_secure.protocol import messages as m
from jupyter_secure.protocol.errors import (
    InvalidRequestError,
    LockedError,
    SecureError,
    UnauthenticatedError,
    UnlockError,
)
from jupyter_secure.protocol.grant import Grant
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.wire import Channel, Codec

PASSWORD = "correct horse battery"
PASSPHRASE = "open sesame please"
ROLES = {"ann": ("engineer",), "bob": ("scientist",), "stella": ("steward",), "vera": ()}


class StandIn:
    def __init__(self, channel):
        self.channel = channel
        self.unlocked = False
        self.grants = {}
        self.ended = set()

    async def run(self):
        while (received := await self.channel.receive()) is not None:
            request, _ = received
            if isinstance(request.body, m.FromKernel) and isinstance(request.body.request, m.Load):
                continue
            try:
                reply = m.FromBroker(id=request.id, body=self.answer(request.body))
            except SecureError as error:
                reply = m.FromBroker(id=request.id, error=error.to_wire())
            await self.channel.send(reply)
            if isinstance(request.body, m.Stop):
                return

    def answer(self, body):  # noqa: C901, PLR0911, PLR0912 - one case for each message
        match body:
            case m.State():
                return self.state()
            case m.Unlock(passphrase=passphrase):
                if passphrase != PASSPHRASE:
                    raise UnlockError
                self.unlocked = True
                return self.state()
            case m.UnlockFromKeyring():
                self.unlocked = True
                return self.state()
            case m.Login(user=user, password=password):
                if user not in ROLES or password != PASSWORD:
                    raise UnauthenticatedError("That name and password do not belong together.")
                ticket = f"{user}-{secrets.token_hex(8)}"
                return m.Session(principal=self.person(user), ticket=ticket, expires_at=2**50)
            case m.WhoAmI(ticket=ticket):
                if ticket in self.ended:
                    raise UnauthenticatedError
                return m.Session(principal=self.person(ticket.partition("-")[0]), ticket="", expires_at=2**50)
            case m.Logout(ticket=ticket):
                self.ended.add(ticket)
                return m.Done()
            case m.OpenKernel():
                if not self.unlocked:
                    raise LockedError
                return self.grant(body)
            case m.FromKernel(request=m.Why()):
                os._exit(3)
            case m.FromKernel(grant=grant, request=m.Status()):
                return m.StatusReply(
                    principal=self.person(self.grants[grant].user),
                    grant=self.grants[grant],
                    vault="unlocked",
                    log_size=0,
                    log_root="",
                )
            case m.CloseKernel() | m.Stop():
                return m.Done()
        raise InvalidRequestError

    def state(self):
        return m.StateReply(
            vault="unlocked" if self.unlocked else "locked", version="stand-in", pid=os.getpid(), log_size=0
        )

    def person(self, name):
        if name not in ROLES:
            raise UnauthenticatedError
        return Principal(name=name, display_name=name.title(), roles=ROLES[name])

    def grant(self, body):
        grant = Grant(
            id=f"grant-{len(self.grants)}",
            user=body.ticket.partition("-")[0],
            kernel=body.kernel,
            notebook=body.notebook,
            guard=body.guard,
            issued_at=1,
            expires_at=2**50,
        )
        self.grants[grant.id] = grant
        return m.Welcome(grant=grant)


async def main(fd):
    await StandIn(Channel(socket.socket(fileno=fd), Codec(m.ToBroker))).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--vault", required=True)
    arguments = parser.parse_args()
    vault = Path(arguments.vault)
    if not vault.is_dir():
        sys.exit(1)
    report = vault / "report"
    if report.exists():
        told = (sorted(os.environ), sys.flags.isolated, os.getsid(0) == os.getpid(), sys.argv)
        report.write_text(" ".join(map(str, told)))
    asyncio.run(main(arguments.fd))
