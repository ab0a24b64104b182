"""Keys of a category that stand in a file beside the policy: how the file is read, and what is kept of it.

No file is opened here. Whoever applies a policy asks `named` which files it names, reads each once and hands its bytes
to `read`. What comes out, the keys and nothing else of the file, is signed and kept with the policy's text, so that the
broker never looks at the file again. Promises: a key means the same, and the policy has the same digest, as if it were
written in the policy; a fault names the line of the policy and that of the file, and never a key.

Steps of `read`: UTF-8, the lines or the one column, each key by itself, then all together.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from jupyter_secure.protocol.query import MAX_KEYS

from .document import KeyFileTable, Keys
from .parse import LIMIT, Parsed
from .places import Path

ColumnKeys = Mapping[str, tuple[str, ...]]
KeyLists = Mapping[str, ColumnKeys]  # by dataset and column
NO_KEYS: KeyLists = MappingProxyType({})
LONGEST = 256  # characters of one key
MOST_BYTES = 32 * 1024 * 1024  # of one file; a table of codes often explains each in other columns
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _FaultError(Exception):
    """Says what is wrong with a file."""


def named(parsed: Parsed) -> Iterator[tuple[Path, KeyFileTable]]:
    """Yield where a policy names a file, and what it says of it."""
    for dataset, table in parsed.document.dataset.items():
        for column, said in table.keys.items():
            if isinstance(said, KeyFileTable):
                yield ("dataset", dataset, "keys", column), said


def read(parsed: Parsed, files: Mapping[Path, bytes]) -> KeyLists:
    """Return the keys of each file that a policy names.

    Args:
        parsed: the policy.
        files: what stands in the file that is named at a path.

    Raises:
        PolicyError: a file is no such list; the sentence names its line.
    """
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    length = 0
    for path, said in named(parsed):
        try:
            keys = _keys(files[path], said.column)
        except _FaultError as fault:
            parsed.fail(path, f"{said.file}, {fault}")
        length += sum(map(len, keys))
        if length > LIMIT:
            parsed.fail(path, f"the keys of all files together are longer than {LIMIT} characters")
        found.setdefault(str(path[1]), {})[str(path[3])] = keys
    return found


def listed(parsed: Parsed, path: Path, said: Keys | KeyFileTable, keys: ColumnKeys) -> Keys:
    """Return the keys of one column, wherever they stand."""
    if not isinstance(said, KeyFileTable):
        return said
    if not keys.get(str(path[-1])):
        parsed.fail(path, f"the keys of {said.file} were not read")
    return keys[str(path[-1])]


def _keys(content: bytes, column: str | None) -> tuple[str, ...]:
    text = _text(content)
    lines: dict[str, int] = {}  # where each key stands, in the order of the file
    for line, key in _lines(text) if column is None else _cells(text, column):
        _check(line, key)
        if key in lines:
            raise _FaultError(f"line {line}: the key of line {lines[key]} stands there again")
        if len(lines) == MAX_KEYS:
            raise _FaultError(f"line {line}: there are more than {MAX_KEYS:,} keys")
        lines[key] = line
    if not lines:
        raise _FaultError("line 1: there is no key")
    return tuple(lines)


def _text(content: bytes) -> str:
    if len(content) > MOST_BYTES:
        raise _FaultError(f"line 1: the file is larger than {MOST_BYTES // 2**20} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _FaultError(f"line {line}: it is not UTF-8 text") from None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for line, key in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        yield line, key.removesuffix("\r")


def _cells(text: str, column: str) -> Iterator[tuple[int, str]]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(rows, [])
        if header.count(column) != 1:
            raise _FaultError(f"line 1: the header must name the column {column!r} once")
        place = header.index(column)
        for row in rows:
            if len(row) != len(header):
                raise _FaultError(f"line {rows.line_num}: it has {len(row)} columns, and the header {len(header)}")
            yield rows.line_num, row[place]
    except csv.Error as error:
        raise _FaultError(f"line {rows.line_num}: not CSV: {error}") from None


def _check(line: int, key: str) -> None:
    if not key or key != key.strip():
        # It would match no value and nobody would see why; whoever means it writes it in the policy.
        raise _FaultError(f"line {line}: a key is empty, or begins or ends with a blank")
    if len(key) > LONGEST or CONTROL.search(key):
        raise _FaultError(f"line {line}: a key is longer than {LONGEST} characters, or holds a control character")
