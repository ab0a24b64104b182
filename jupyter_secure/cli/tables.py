"""A plain table for a terminal: left-aligned columns under a heading, no colours, control characters made visible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def show(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; nothing but the headings if there are no rows."""
    lines = [list(headings), *([_plain(cell) for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(headings))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _plain(cell: object) -> str:
    # Names come from people's files; an escape sequence in one must not drive the terminal.
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in str(cell))
