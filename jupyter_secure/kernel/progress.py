"""A progress bar for loads that take long enough to notice: a widget in a notebook, a line of text elsewhere.

Promises: a quick load shows nothing and imports nothing; the bar is gone when the load has ended, well or not. How long
it may still take is said where the whole is known, from the speed since the first rows came.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

PATIENCE = 0.5  # seconds before anything is shown
LONG_ENOUGH = 0.5  # seconds of rows coming, before their speed says anything
EVERY = 0.1  # seconds between two changes of what is shown


class ProgressBar:
    """Shows rows of a total; used as a context manager."""

    def __init__(self, label: str, *, patience: float = PATIENCE) -> None:
        self._label = label
        self._begin = time.monotonic() + patience
        self._next = self._begin
        self._widget: Any = None
        self._text = False
        self._first: tuple[float, int] | None = None

    def show(self, rows: int, total: int) -> None:
        """Take note of how far it has come; `total` 0 means that nobody knows."""
        now = time.monotonic()
        if self._first is None and rows:
            self._first = now, rows
        if now < self._next:
            return
        self._next = now + EVERY
        words = f"{rows:,} of {total:,} rows{self._left(now, rows, total)}" if total else f"{rows:,} rows"
        if self._widget is None and not self._text:
            self._widget = _widget(self._label)
            self._text = self._widget is None
        if self._text:
            self._write(f"\r{self._label}: {words}\033[K")
            return
        bar, said = self._widget.children
        bar.max = max(total, rows, 1)
        bar.value = rows
        bar.bar_style = "" if total else "info"
        said.value = words

    def _left(self, now: float, rows: int, total: int) -> str:
        began, before = self._first or (now, rows)
        if now - began < LONG_ENOUGH or not before < rows < total:
            return ""
        seconds = (now - began) / (rows - before) * (total - rows)
        return f", about {_span(seconds)} left"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._widget is not None:
            for part in (*self._widget.children, self._widget):
                part.close()
        if self._text:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _span(seconds: float) -> str:
    whole = max(round(seconds), 1)
    return f"{whole} s" if whole < 90 else f"{round(whole / 60)} min"


def _widget(label: str) -> Any:
    try:
        import ipywidgets
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        return None
    if getattr(get_ipython(), "kernel", None) is None:
        return None  # a terminal shows no widgets
    bar = ipywidgets.IntProgress(description=label, min=0, max=1, style={"description_width": "initial"})
    box = ipywidgets.HBox([bar, ipywidgets.Label()])
    display(box)
    return box
