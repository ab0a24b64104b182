"""What each person's kernels were given since the broker started, for comparing outputs with it. Kept in memory only.

Promises: noted before a view is handed over; bounded for each person, the oldest going first, and then it is known that
something was forgotten.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict

from jupyter_secure.broker.ruling import Ruling

MOST = 20  # different views of one person


class Served:
    """The views of everybody."""

    def __init__(self) -> None:
        self._views: defaultdict[str, OrderedDict[str, Ruling]] = defaultdict(OrderedDict)
        self._forgot: set[str] = set()

    def note(self, person: str, ruling: Ruling) -> None:
        """Note a view that is about to be handed over."""
        views = self._views[person]
        key = f"{ruling.version.digest} {ruling.digest}"
        views[key] = ruling
        views.move_to_end(key)
        while len(views) > MOST:
            views.popitem(last=False)
            self._forgot.add(person)

    def of(self, person: str) -> tuple[Ruling, ...]:
        """Return the person's views, the newest last."""
        return tuple(self._views[person].values()) if person in self._views else ()

    def forgot(self, person: str) -> bool:
        """Say whether some view of the person's is not kept any more."""
        return person in self._forgot
