"""What a new version is made of: a source alone, or the version before and what is added to it.

A part that is taken over keeps its file, byte for byte, under a second name in the new version's folder; its data keys
are wrapped once more for that place. Promises: nothing is taken over that is not what was sealed; added rows have the
columns and types of the rows before, or are refused with the name of the column.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_secure.broker.keys.keychain import Keychain
from jupyter_secure.protocol.dataset import Measure
from jupyter_secure.protocol.errors import InputFileError, IntegrityError
from jupyter_secure.protocol.noun import Noun

from .catalog import Catalog
from .columns import cast
from .data_keys import GivenKeys, decryption
from .footer import check_pin, file_digest, open_part
from .manifest import Part
from .parts import PartWriter
from .reader import data_keys_of
from .source import Source


class Content(Protocol):
    """What `writer.seal` writes."""

    @property
    def schema(self) -> pa.Schema:
        """Return the columns of the new version."""

    @property
    def measure(self) -> Measure | None:
        """Return the measure of private answers that was asked for, or None for that of the version before."""

    def fill(self, parts: PartWriter) -> None:
        """Write or take over every part, in order."""


class Fresh:
    """A source and nothing before it."""

    def __init__(self, source: Source, measure: Measure | None = None) -> None:
        self._source = source
        self.measure = measure

    @property
    def schema(self) -> pa.Schema:
        """See `Content`."""
        return self._source.schema

    def fill(self, parts: PartWriter) -> None:
        """See `Content`."""
        parts.write(self._source.batches())


class Former(Noun):
    """A part of the version before, with its data keys."""

    path: Path
    part: Part
    footer_key: bytes
    column_keys: dict[str, bytes]

    def schema(self) -> pa.Schema:
        """Return columns and types."""
        with self._open() as file:
            return file.schema_arrow.remove_metadata()

    def batches(self, rows: int, columns: list[str]) -> Iterator[Any]:
        """Read the part in batches.

        Raises:
            IntegrityError: it is not what was sealed.
        """
        with self._open() as file:
            try:
                yield from file.iter_batches(rows, columns=columns)
            except (pa.ArrowException, OSError):
                raise IntegrityError(detail=f"{self.part.file} does not decrypt") from None

    def _open(self) -> Any:
        # Arrow may abort the process on a forged file, so the whole of it is compared first.
        fd = open_part(self.path)
        try:
            if file_digest(fd) != self.part.sha256:
                raise IntegrityError(detail=f"{self.part.file} has another content")
        finally:
            os.close(fd)
        keys = GivenKeys(self.footer_key, self.column_keys)
        try:
            return pq.ParquetFile(self.path, decryption_properties=decryption(keys), pre_buffer=False)
        except (pa.ArrowException, OSError):
            raise IntegrityError(detail=f"{self.part.file} does not decrypt") from None

    def __repr__(self) -> str:
        """Show no key."""
        return f"Former({self.part.file})"


def former_parts(catalog: Catalog, keychain: Keychain, name: str, version: int | None = None) -> tuple[Former, ...]:
    """Return the parts of a version, by default the newest, checked against its manifest; raises as `open_version`."""
    signed = catalog.signed(name, version)
    folder = catalog.folder(name, signed.manifest.version)
    for part in signed.manifest.parts:
        check_pin(folder / part.file, part.size, part.footer_sha256)
    keys = data_keys_of(catalog, keychain, signed, tuple(column.name for column in signed.manifest.columns))
    return tuple(
        Former(path=folder / part.file, part=part, footer_key=footer, column_keys=columns)
        for part, (footer, columns) in zip(signed.manifest.parts, keys, strict=True)
    )


def former_schema(catalog: Catalog, keychain: Keychain, name: str) -> pa.Schema:
    """Return the columns and types of a dataset's newest version."""
    return former_parts(catalog, keychain, name)[0].schema()


class Appended:
    """The newest version, and the rows of a source after it."""

    measure = None

    def __init__(self, catalog: Catalog, keychain: Keychain, name: str, source: Source) -> None:
        self._catalog = catalog
        self._keychain = keychain
        self._name = name
        self.schema = former_schema(catalog, keychain, name)
        self._source = conformed(source, self.schema)

    def fill(self, parts: PartWriter) -> None:
        """See `Content`."""
        for former in former_parts(self._catalog, self._keychain, self._name):
            parts.keep(former.path, former.part, former.footer_key, former.column_keys)
        parts.write(self._source.batches())


class _Conformed:
    """A source whose columns come in the order and with the types that are wanted."""

    def __init__(self, source: Source, schema: pa.Schema) -> None:
        self._source = source
        self.schema = schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Source.batches`."""
        for batch in self._source.batches():
            columns = [cast(batch.column(field.name), field) for field in self.schema]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)


def conformed(source: Source, schema: pa.Schema) -> Source:
    """Return a source with the columns of a schema.

    Raises:
        InputFileError: a column is missing, is not known, or is of another kind.
    """
    found = source.schema
    for name in schema.names:
        if name not in found.names:
            raise InputFileError(f"Column `{name}` is missing, and the dataset has it. Nothing was sealed.")
    for field in found:
        if field.name not in schema.names:
            raise InputFileError(f"The dataset has no column `{field.name}`. Remove it; nothing was sealed.")
        wanted = schema.field(field.name).type
        if not _can_become(field.type, wanted):
            raise InputFileError(
                f"Column `{field.name}` has the type `{field.type}`, and in the dataset `{wanted}`. "
                "Convert it; nothing was sealed."
            )
    return source if found.equals(schema) else _Conformed(source, schema)


def _can_become(kind: Any, wanted: Any) -> bool:
    types = pa.types
    return bool(
        kind == wanted
        or (types.is_integer(kind) and (types.is_integer(wanted) or types.is_floating(wanted)))
        or (types.is_floating(kind) and types.is_floating(wanted))
        or (types.is_decimal(kind) and types.is_decimal(wanted))
        or (types.is_date(kind) and types.is_date(wanted))
        or (types.is_timestamp(kind) and types.is_timestamp(wanted) and kind.tz == wanted.tz)
    )
