"""Something laid out in the world for a while: sockets, files, processes; taken away whatever happens."""

from __future__ import annotations

import contextlib
from typing import Self


class Laid:
    """A context manager; a subclass lays out in `_lay` and registers in `_stack` what has to be taken away.

    Half a layout is taken away too.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._lay()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _lay(self) -> None:
        raise NotImplementedError
