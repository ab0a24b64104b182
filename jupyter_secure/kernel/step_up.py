"""The step up in a cell: a request that a second factor alone would permit asks for it, and then goes on.

The cell shows what is missing and an input field, the one that Jupyter itself gives to `getpass`: a person types the
code of an app there, or verifies in the sidebar (with a passkey, say) and presses Enter. Promises: what is typed goes
to the broker as the proof of this one request, is not shown and is forgotten; where nobody can be asked (batch runs)
the refusal is raised at once. A kernel proves nothing: it passes a code on, or asks the broker whether somebody has.

Steps of `asked`: ask; on a `StepUpError` ask the person, then ask once more for the data.
"""

from __future__ import annotations

import getpass
from typing import Any, Protocol

from jupyter_secure.protocol.errors import SecondFactorError, StepUpError
from jupyter_secure.protocol.messages import SteppedUp, StepUp

TRIES = 3
DIGITS = 6
HOW = "\nVerify in the Secure Data sidebar and press Enter here, or type the code of your app: "
NOT_YET = "Nothing was verified yet."
NO_CODE = f"The code of an app has {DIGITS} digits; a recovery code is typed in the sidebar."


class Asks(Protocol):
    """What this module needs of the kernel's client."""

    def request(self, message: Any, progress: Any = None) -> tuple[Any, int | None]:
        """Send one request; return the reply and its descriptor."""


def asked(client: Asks, message: Any, progress: Any = None) -> tuple[Any, int | None]:
    """Return what the broker answers, after a second factor if that is what is missing.

    Raises:
        StepUpError: nobody verified, or nobody can be asked.
        SecureError: what the broker answered.
        KeyboardInterrupt: the person interrupted.
    """
    try:
        return client.request(message, progress)
    except StepUpError as error:
        if error.challenge is None or not _verified(client, error.challenge, error.public):
            raise
    return client.request(message, progress)


def _verified(client: Asks, challenge: str, sentence: str) -> bool:
    said = sentence.removesuffix(StepUpError.HOW).rstrip()
    for _ in range(TRIES):
        typed = _typed(said + HOW)
        if typed is None:
            return False
        if typed and not (len(typed) == DIGITS and typed.isascii() and typed.isdecimal()):
            said = NO_CODE
            continue
        try:
            reply, _ = client.request(StepUp(challenge=challenge, code=typed or None))
        except SecondFactorError as wrong:
            said = wrong.public
            continue
        if isinstance(reply, SteppedUp) and reply.verified:
            return True
        said = NOT_YET
    return False


def _typed(prompt: str) -> str | None:
    """Return what a person types, None where nobody can."""
    from IPython.core.error import StdinNotImplementedError

    try:
        return getpass.getpass(prompt).replace(" ", "")
    except (StdinNotImplementedError, EOFError):
        return None
