"""Plots of private answers with their margins as error bars, so that noise is not taken for a finding."""

from __future__ import annotations

from typing import Any

from jupyter_secure.protocol.errors import InvalidRequestError

MARGIN = "_margin"
KINDS = ("bar", "barh", "line")


def plot(answer: Any, kind: str = "bar", **options: Any) -> Any:
    """Plot each value of an answer over its keys, with its 95 % margin; return matplotlib's axes.

    Args:
        answer: a frame as private questions return it.
        kind: `bar`, `barh` or `line`.
        options: passed on to `pandas.DataFrame.plot`.

    Raises:
        InvalidRequestError: the frame holds no values with margins, or that kind of plot cannot show them.
    """
    if kind not in KINDS:
        raise InvalidRequestError(f"A plot that shows margins is one of {', '.join(KINDS)}.")
    values = [name for name in answer.columns if f"{name}{MARGIN}" in answer.columns]
    if not values:
        raise InvalidRequestError("Plot an answer to a private question: it has a margin beside each value.")
    keys = [name for name in answer.columns if name not in values and not name.endswith(MARGIN)]
    frame = answer.copy()
    for key in keys:
        frame[key] = frame[key].astype(object).where(frame[key].notna(), "unknown")
    if keys:
        frame = frame.set_index(keys)
    margins = frame[[f"{name}{MARGIN}" for name in values]].set_axis(values, axis=1)
    return frame[values].plot(kind=kind, **{f"{'x' if kind == 'barh' else 'y'}err": margins}, capsize=3, **options)
