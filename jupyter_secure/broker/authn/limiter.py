"""How often one name may be tried; the vault's passphrase counts as a name of its own.

Promises: the first `FREE` wrong passwords in a row cost nothing; each further one doubles the wait, up to `LONGEST`; a
right one clears the count; an unknown name is counted like a known one. An attempt is counted before its password is
looked at, so attempts made at the same time do not slip past.

Limits, plainly: the counts live in the broker's memory, so a restart forgets them, and Argon2id and the minimum length
carry the weight; whoever can reach the login page can keep one name waiting, for `LONGEST` at most; guesses spread
over many names are bounded only by the cost of Argon2id.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from jupyter_secure.protocol.errors import SecureError, UnauthenticatedError

FREE = 5
FIRST = 2_000  # milliseconds
LONGEST = 300_000
NAMES = 10_000


class Limiter:
    """Counts wrong passwords by name.

    Args:
        now: milliseconds since 1970.
        error: what an attempt that comes too soon raises.
    """

    def __init__(self, now: Callable[[], int], error: type[SecureError] = UnauthenticatedError) -> None:
        self._now = now
        self._error = error
        self._tried: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()  # logins run in threads

    def attempt(self, name: str) -> None:
        """Count one attempt as wrong until `succeeded` says otherwise.

        Raises:
            SecureError: too soon; the sentence says how long to wait, and the attempt is not counted.
        """
        now = self._now()
        with self._lock:
            wrong, until = self._tried.get(name[:64], (0, 0))
            if now < until:
                seconds = -(-(until - now) // 1000)
                raise self._error(f"Too many wrong passwords. Try again in {seconds} seconds.")
            wrong += 1
            # 2**10 times FIRST is beyond LONGEST; the bound keeps the number small however long somebody tries.
            wait = min(LONGEST, FIRST << min(wrong - FREE, 10)) if wrong >= FREE else 0
            self._remember(name[:64], wrong, now + wait)

    def succeeded(self, name: str) -> None:
        """Forget the wrong ones."""
        with self._lock:
            self._tried.pop(name[:64], None)

    def _remember(self, name: str, wrong: int, until: int) -> None:
        self._tried[name] = (wrong, until)
        self._tried.move_to_end(name)
        if len(self._tried) > NAMES:
            self._tried.popitem(last=False)
