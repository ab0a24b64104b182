"""Where each field of a TOML file stands: from a path such as `("rule", 1, "when", "guard")` to its line.

The standard library reads TOML without positions, so this scanner walks a text that `tomllib` has already accepted and
notes lines only; it gives no values and decides nothing. It knows tables, arrays of tables, dotted and quoted keys,
inline tables, arrays over several lines and all four kinds of strings (TOML 1.0).
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]

STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")' r"|'''.*?'{3,5}(?!')" r'|"(?:\\.|[^"\\])*"' r"|'[^']*'",
    re.DOTALL,
)
BARE = re.compile(r"[A-Za-z0-9_-]+")
BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
SCALAR = re.compile(r"[^,\]}\n#]+")


class Places:
    """Lines of a text by path; a path that is not written gives the line of its nearest written parent."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}
        table: Path = ()
        while self._skip():
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def line(self, path: Path) -> int:
        """Return the line of the path, counted from 1."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _skip(self) -> bool:
        match = BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at < len(self._text)

    def _note(self, path: Path) -> None:
        self._lines.setdefault(path, bisect_right(self._newlines, self._at - 1) + 1)

    def _header(self) -> Path:
        start = self._at
        array = self._text.startswith("[[", start)
        self._at += 2 if array else 1
        keys = self._keys()
        path: Path = ()
        for place, key in enumerate(keys):
            path = (*path, key)
            if array and place == len(keys) - 1:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
            self._note(path)
        self._skip()
        self._at += 2 if array else 1
        return path

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip()
            quoted = self._text[self._at] in "\"'"
            match = (STRING if quoted else BARE).match(self._text, self._at)
            assert match is not None
            raw = match.group()
            keys.append(tomllib.loads(f"k = {raw}")["k"] if quoted else raw)
            self._at = match.end()
            self._skip()
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _pair(self, table: Path) -> None:
        start = self._at
        path = table
        keys = self._keys()
        after, self._at = self._at, start
        for key in keys:
            path = (*path, key)
            self._note(path)
        self._at = after + 1  # the equals sign
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip()
        first = self._text[self._at]
        if first in "[{":
            self._at += 1
            self._items(path, array=first == "[")
            return
        match = (STRING if first in "\"'" else SCALAR).match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _items(self, path: Path, *, array: bool) -> None:
        index = 0
        while True:
            self._skip()
            if self._text[self._at] in "]}":
                self._at += 1
                return
            if array:
                self._note((*path, index))
                self._value((*path, index))
            else:
                self._pair(path)
            index += 1
            self._skip()
            if self._text[self._at] == ",":
                self._at += 1
