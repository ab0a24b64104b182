"""The token that every call which yields data keys demands.

It guards nothing at run time that a type checker would not: whoever can import this module can pass `ACCESS`. Its worth
is that danger shows in the imports. Only the gate, the sealed reader and the commands of a person with the passphrase
may import it, an import contract holds that list, and a reviewer who searches for `plaintext` finds every place where
stored data can become readable. (The idea is Tink's `secret_key_access`.)
"""

from __future__ import annotations

from typing import Final, final


@final
class Access:
    """The type of `ACCESS`; there is one instance, and a lookalike is refused."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "plaintext.ACCESS"


ACCESS: Final = Access()


def demand(token: object) -> None:
    """Return if the caller passed `ACCESS` itself.

    Raises:
        TypeError: it did not; a fault of the program, never of its user.
    """
    if token is not ACCESS:
        raise TypeError("this call yields data keys and needs plaintext.ACCESS")
