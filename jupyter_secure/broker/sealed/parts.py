"""Writing the parts of a version into a fresh folder, or taking them over from the version before.

Steps for each part: take rows until it is full, write row groups under keys that Arrow makes for this part alone,
fsync, read back size and digests, wrap the captured keys for the manifest. At most one row group is held in memory.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import structs

from . import data_keys
from .data_keys import PartCipher, Place
from .footer import file_digest, footer_digest, open_part
from .manifest import Part

# A reader decodes about six row groups ahead of whoever takes the rows, however it is told not to, so their size is
# what bounds its memory. Powers of two, because a batch that is one whole group is handed on without a copy.
GROUP_ROWS = 1 << 17
GROUP_BYTES = 64 << 20
PART_GROUPS = 32
COMPRESSION = "lz4"  # LZ4_RAW: text is read in two thirds of the time that snappy takes, from files no larger


class PartWriter:
    """Writes part after part.

    Attributes:
        parts: what there is so far.

    Args:
        folder: an existing private folder.
        kek: the dataset's key.
    """

    def __init__(self, folder: Path, kek: bytes, dataset: str, version: int, schema: pa.Schema) -> None:
        self._folder = folder
        self._kek = kek
        self._dataset = dataset
        self._version = version
        self._schema = schema
        self.parts: list[Part] = []

    def keep(self, path: Path, part: Part, footer_key: bytes, column_keys: dict[str, bytes]) -> None:
        """Take over a part of another version: the same file, and its data keys wrapped for the new place."""
        file = self._next()
        try:
            os.link(path, self._folder / file, follow_symlinks=False)
        except OSError:  # a file system without second names
            shutil.copyfile(path, self._create(file), follow_symlinks=False)
        self.parts.append(
            structs.replace(
                part,
                file=file,
                footer_key=self._wrap(footer_key, file, None),
                column_keys={name: self._wrap(key, file, name) for name, key in column_keys.items()},
            )
        )

    def write(self, batches: Iterator[Any]) -> None:
        """Write all rows; an empty table still gives one part, so that its schema is sealed too."""
        groups = row_groups(batches, self._schema)
        following = next(groups, None)
        while following is not None or not self.parts:
            file = self._next()
            cipher = PartCipher(self._kek, self._dataset, self._version, tuple(self._schema.names))
            path = self._create(file)
            written: list[int] = []
            pages = encodings(following) if following is not None else {}
            settings = {"compression": COMPRESSION, "encryption_properties": cipher.encryption()}
            with pq.ParquetWriter(path, self._schema, **pages, **settings) as out:
                while following is not None and len(written) < PART_GROUPS:
                    out.write_table(following, row_group_size=GROUP_ROWS)
                    written.append(following.num_rows)
                    following = next(groups, None)
            self.parts.append(self._describe(path, cipher, written))

    def _next(self) -> str:
        return f"part-{len(self.parts):05}.parquet"

    def _create(self, file: str) -> Path:
        # Made here first, because Arrow would make it readable by others where the umask says so.
        path = self._folder / file
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        return path

    def _describe(self, path: Path, cipher: PartCipher, written: list[int]) -> Part:
        footer_key, column_keys = cipher.captured()
        fd = open_part(path)
        try:
            os.fsync(fd)
            size = os.fstat(fd).st_size
            return Part(
                file=path.name,
                size=size,
                sha256=file_digest(fd),
                footer_sha256=footer_digest(fd, size),
                rows=sum(written),
                row_groups=len(written),
                footer_key=self._wrap(footer_key, path.name, None),
                column_keys={name: self._wrap(key, path.name, name) for name, key in column_keys.items()},
            )
        finally:
            os.close(fd)

    def _wrap(self, key: bytes, part: str, column: str | None) -> str:
        place = Place(dataset=self._dataset, version=self._version, part=part, column=column)
        return data_keys.wrap(self._kek, key, place)


def row_groups(batches: Iterator[Any], schema: pa.Schema) -> Iterator[Any]:
    """Yield tables of `GROUP_ROWS` rows, or half of that, a quarter and so on where the first rows are so wide.

    Where later rows are much wider than the first, a table ends early.
    """
    held: list[Any] = []
    rows = size = limit = 0
    for batch in batches:
        limit = limit or _rows_within(batch)
        rest = batch
        while rest.num_rows:
            head = rest.slice(0, limit - rows)
            held.append(head)
            rows += head.num_rows
            size += head.nbytes
            rest = rest.slice(head.num_rows)
            if rows >= limit or size >= 2 * GROUP_BYTES:
                yield pa.Table.from_batches(held, schema)
                held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held, schema)


def _rows_within(batch: Any) -> int:
    rows = GROUP_ROWS
    while rows > 1 and rows * batch.nbytes > GROUP_BYTES * batch.num_rows:
        rows //= 2
    return rows


def encodings(group: Any) -> dict[str, Any]:
    """Return how Arrow is to encode the pages of a part, from its first row group.

    A dictionary only where values repeat: elsewhere it grows too large and is given up half way, which costs both
    sides. Differences for integers that ascend, as counters do.
    """
    repeating = [name for name in group.column_names if _repeats(group.column(name))]
    ascending = [name for name in group.column_names if name not in repeating and _ascends(group.column(name))]
    return {"use_dictionary": repeating, "column_encoding": dict.fromkeys(ascending, "DELTA_BINARY_PACKED") or None}


def _repeats(column: Any) -> bool:
    try:
        return bool(2 * pc.count_distinct(column, mode="all").as_py() <= len(column))
    except pa.ArrowNotImplementedError:  # a type that Arrow cannot count; a dictionary is its default
        return True


def _ascends(column: Any) -> bool:
    kind = column.type
    if not (pa.types.is_integer(kind) and kind.bit_width >= 32) or column.null_count or not len(column):
        return False
    return bool(pc.all(pc.less_equal(column.slice(0, len(column) - 1), column.slice(1))).as_py())
