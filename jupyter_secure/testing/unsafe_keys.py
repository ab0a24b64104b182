"""A passphrase provider that costs almost nothing, so that tests do not wait; never for data.

Its scheme is its own and is known only after this module has been imported: a vault made with it does not open in a
broker that was started the ordinary way.
"""

from __future__ import annotations

from typing import ClassVar

from jupyter_secure.broker.keys.passphrase import Cost, PassphraseProvider, openers
from jupyter_secure.broker.keys.provider import register


class UnsafePassphraseProvider(PassphraseProvider):
    """Argon2id at its least: a passphrase under it can be guessed."""

    scheme: ClassVar[str] = "unsafe-passphrase"
    cost: ClassVar[Cost] = Cost(memory_kib=8, passes=1, lanes=1)
    floor: ClassVar[Cost] = cost


register(UnsafePassphraseProvider.scheme, openers(UnsafePassphraseProvider))
