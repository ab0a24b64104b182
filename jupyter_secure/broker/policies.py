"""The policy in force, read from the store and checked against the log.

Policy is pure and knows neither database nor key; this is its rim. Promises: a policy is decided by only while its
signature, its number and its place in the sequence hold, and while its number is not below the highest one that the
audit log has seen applied; otherwise nothing is decided. A policy that another process applies counts from the next
request on, because the newest row is looked at each time.
"""

from __future__ import annotations

import asyncio
import threading

import msgspec

from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.keys.keychain import Purpose
from jupyter_secure.broker.keys.signing import Verifier, open_envelope, seal_envelope
from jupyter_secure.broker.policy.archive import PolicyArchive, Version
from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.policy.key_lists import NO_KEYS, KeyLists
from jupyter_secure.broker.policy.policy import Policy
from jupyter_secure.broker.store.database import briefly
from jupyter_secure.broker.store.policy_rows import PolicyRows
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.record import Header, Kind, Personal


class Policies:
    """The policies of one vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._rows = PolicyRows(vault.engine)
        self.archive = PolicyArchive(self._rows, _Signer(vault))
        self._known: tuple[tuple[int, str], tuple[int, Policy]] | None = None
        self._at_least = _highest_applied(vault.audit)
        self._renewing = threading.Lock()

    def current(self) -> tuple[int, Policy]:
        """Return number and policy in force; number 0 denies everything.

        Raises:
            IntegrityError: the stored policies are not the ones that were applied.
        """
        newest = self._rows.newest()
        known = self._known  # other threads ask too
        if known is None or known[0] != newest:
            with self._renewing:
                known = self._known  # somebody else may have compiled it meanwhile
                if known is None or known[0] != newest:
                    found = self.archive.current(self._at_least)
                    self._at_least = max(self._at_least, found[0])
                    known = self._known = (newest, found)
        return known[1]

    async def at_hand(self) -> tuple[int, Policy]:
        """Do the same for an event loop: a short read, and a thread where a policy has to be compiled first."""
        known = self._known
        if known is not None and known[0] == await briefly(self._vault.engine, self._rows.newest):
            return known[1]
        return await asyncio.to_thread(self.current)

    def apply(self, text: str, personal: Personal | None = None, *, keys: KeyLists = NO_KEYS) -> Version:
        """Put a policy in force, with the keys of the files it names: logged before it counts, and after.

        Raises:
            PolicyError, LockedError, ConflictError, AuditUnavailableError: nothing was changed.
        """
        policy = compile_text(text, keys)
        header = Header(time=self._vault.now(), kind=Kind.POLICY_APPLIED, outcome="permitted", policy=policy.digest)
        intent = self._vault.audit.append(header, personal)
        version, _ = self.archive.apply(text, self._vault.now(), keys)
        done = msgspec.structs.replace(
            header, time=self._vault.now(), outcome="done", reference=intent, extra={"number": str(version.number)}
        )
        self._vault.audit.append(done, personal)
        return version


def _highest_applied(audit: AuditLog) -> int:
    done = (
        int(entry.header.extra.get("number", "0")) for entry in audit.entries(kinds=(Kind.POLICY_APPLIED,), limit=None)
    )
    return max(done, default=0)


class _Signer:
    """`policy.archive.PolicySigner` over the vault's policy key."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._verifier: Verifier = vault.verifier(Purpose.POLICY)

    def sign(self, payload_type: str, payload: bytes) -> bytes:
        return seal_envelope(self._vault.keychain.signer(Purpose.POLICY), payload_type, payload)

    def verify(self, payload_type: str, envelope: bytes) -> bytes:
        return open_envelope(self._verifier, payload_type, envelope)
