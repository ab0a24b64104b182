"""The step up in a cell: a request that a second factor alone would permit waits for it, and then goes on.

The cell shows what is missing and where to verify; where widgets answer while a cell runs, it has a field for the code
of an app as well. Promises: what is typed goes to the broker as the proof of this one request and is forgotten; nothing
waits where nobody could verify (scripts, batch runs); the wait ends by itself, and by an interrupt. A kernel proves
nothing: it asks the broker whether somebody has.

Steps of `asked`: ask; on a `StepUpError` show, ask every second whether it is proved, ask once more for the data.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Protocol, Self

from jupyter_secure.protocol.errors import SecondFactorError, SecureError, StepUpError
from jupyter_secure.protocol.messages import SteppedUp, StepUp

PATIENCE = 240.0  # seconds, less than a challenge lives
EVERY = 1.0
DIGITS = 6
WAITING = "Verify in the Secure Data sidebar. This cell waits and goes on by itself; interrupt it to stop."
TYPE = "Or type the six digits of your app here:"


class Asks(Protocol):
    """What this module needs of the kernel's client."""

    def request(self, message: Any, progress: Any = None) -> tuple[Any, int | None]:
        """Send one request; return the reply and its descriptor."""


def asked(client: Asks, message: Any, progress: Any = None) -> tuple[Any, int | None]:
    """Return what the broker answers, after a second factor if that is what is missing.

    Raises:
        StepUpError: nobody verified, or nobody is here to verify.
        SecureError: what the broker answered.
        KeyboardInterrupt: the person did not want to wait.
    """
    try:
        return client.request(message, progress)
    except StepUpError as error:
        if error.challenge is None or not _attended():
            raise
        with Prompt(client, error) as prompt:
            if not prompt.wait():
                raise
    return client.request(message, progress)


class Prompt:
    """What the cell shows while it waits.

    Args:
        client: where to ask.
        error: what is missing.
    """

    def __init__(self, client: Asks, error: StepUpError) -> None:
        self._client = client
        self._challenge = str(error.challenge)
        self._reason = error.public.removesuffix(StepUpError.HOW).strip()
        self._proved = threading.Event()
        self._widget: Any = None

    def wait(self) -> bool:
        """Return whether it was proved in time."""
        deadline = time.monotonic() + PATIENCE
        while not self._proved.wait(EVERY):
            if time.monotonic() >= deadline:
                return False
            try:
                self._ask(None)
            except SecondFactorError:  # the challenge has ended
                return False
        return True

    def typed(self, code: str) -> str:
        """Prove the request by a code; return what to say to the person."""
        try:
            self._ask(code)
        except SecureError as error:
            return error.public
        return "Verified."

    def __enter__(self) -> Self:
        self._widget = _field(self._reason, self.typed)
        if self._widget is None:
            print(f"{self._reason} {WAITING}")  # noqa: T201 - this is what the cell says
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._widget is not None:
            self._widget.close_all()

    def _ask(self, code: str | None) -> None:
        reply, _ = self._client.request(StepUp(challenge=self._challenge, code=code))
        if isinstance(reply, SteppedUp) and reply.verified:
            self._proved.set()


class _Field:
    """The widget: words, a field that sends itself when six digits are in it, and what came of it."""

    def __init__(self, widgets: Any, reason: str, typed: Any) -> None:
        self._typed = typed
        self._said = widgets.Label()
        self._code = widgets.Text(placeholder="000000", description="Code", layout={"width": "16em"})
        self._code.observe(self._changed, "value")
        words = [widgets.Label(text) for text in (reason, WAITING, TYPE)]
        self.box = widgets.VBox([*words, self._code, self._said])

    def close_all(self) -> None:
        """Take everything out of the notebook."""
        for part in (*self.box.children, self.box):
            part.close()

    def _changed(self, change: Any) -> None:
        code = "".join(char for char in str(change["new"]) if char.isdecimal() and char.isascii())
        if len(code) == DIGITS:
            self._said.value = self._typed(code)
            self._code.value = ""


def _field(reason: str, typed: Any) -> _Field | None:
    """Show the field; None where widgets would not answer before the cell has ended."""
    if not getattr(_kernel(), "_supports_kernel_subshells", False):
        return None
    try:
        import ipywidgets
        from IPython.display import display
    except ImportError:
        return None
    field = _Field(ipywidgets, reason, typed)
    display(field.box)
    return field


def _attended() -> bool:
    """Say whether a person is in front: batch runs do not let a cell ask for input."""
    return bool(getattr(_kernel(), "_allow_stdin", False))


def _kernel() -> Any:
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)
