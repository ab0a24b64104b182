"""A catalog and a keychain in a temporary folder, without the rest of a vault, to test sealing and opening."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import polars as pl
import pyarrow as pa

from jupyter_secure.broker import plaintext
from jupyter_secure.broker.keys.keychain import Keychain, Purpose
from jupyter_secure.broker.keys.signing import Verifier
from jupyter_secure.broker.sealed import reader, writer
from jupyter_secure.broker.sealed.catalog import Catalog
from jupyter_secure.broker.sealed.columns import sealed_schema
from jupyter_secure.broker.sealed.contents import Fresh
from jupyter_secure.broker.sealed.reader import OpenedDataset
from jupyter_secure.broker.store import database
from jupyter_secure.broker.views.delivery import TableSealer
from jupyter_secure.protocol.dataset import DatasetVersion, Measure, Tag

from .unsafe_keys import UnsafePassphraseProvider

VAULT = "vault-under-test"
PASSPHRASE = "correct horse battery"  # noqa: S105  # opens nothing but this folder


def seal_table(table: pa.Table, recipient: bytes, info: bytes) -> tuple[int, str]:
    """Seal a table as an answer is; return the descriptor, which the caller closes, and what opens it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    sealer = TableSealer(recipient, info)
    return sealer.seal(sink.getvalue().to_pybytes(), table.num_rows), sealer.opens


class TableSource:
    """A table in memory as a source, in batches of `step` rows."""

    def __init__(self, table: pa.Table, step: int = 1000) -> None:
        self._table = table.cast(sealed_schema(table.schema))
        self._step = step

    @property
    def schema(self) -> pa.Schema:
        """Return names and types."""
        return self._table.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read from the beginning."""
        yield from self._table.to_batches(self._step)


class SealedData:
    """The parts of a vault that hold data.

    Attributes:
        recorded: what the writer reported before a version counted.
    """

    def __init__(self, folder: Path, database_url: str | None = None) -> None:
        self.datasets = folder / "datasets"
        self.datasets.mkdir(mode=0o700)
        self.engine = database.open_database(database_url or f"sqlite:///{folder / 'store.sqlite'}")
        database.create(self.engine)
        self.provider = UnsafePassphraseProvider.create(PASSPHRASE)
        self.keychain = Keychain(self.engine, VAULT, self.provider)
        self.keychain.create_vault_keys(1)
        self.verifier = Verifier(self.keychain.signer(Purpose.MANIFEST).public)
        self.recorded: list[DatasetVersion] = []

    @property
    def catalog(self) -> Catalog:
        """Return a catalog that has seen nothing yet."""
        return Catalog(self.datasets, self.engine, self.verifier, VAULT)

    def seal(
        self,
        table: pa.Table,
        name: str = "patients",
        tags: Mapping[str, Tag | None] | None = None,
        measure: Measure | None = None,
    ) -> DatasetVersion:
        """Seal a table as the next version."""
        return writer.seal(
            self.catalog,
            self.keychain,
            Fresh(TableSource(table), measure),
            name=name,
            tags=tags or {},
            now=1_700_000_000_000,
            record=self.recorded.append,
        )

    def open(self, columns: Iterable[str], name: str = "patients", version: int | None = None) -> OpenedDataset:
        """Open a version with the keys of these columns."""
        return reader.open_version(
            self.catalog, self.keychain, name, columns=columns, access=plaintext.ACCESS, version=version
        )

    def path(self, file: str = "part-00000.parquet", name: str = "patients", version: int = 1) -> Path:
        """Return the place of one file of a version."""
        return self.datasets / name / str(version) / file

    def close(self) -> None:
        """Close the database."""
        self.engine.dispose()


def read(opened: OpenedDataset, columns: Iterable[str] | None = None) -> pl.DataFrame:
    """Read an opened dataset with polars, by default in all columns it was opened for."""
    wanted = list(opened.columns if columns is None else columns)
    frames = [
        pl.read_parquet(
            part.path,
            columns=wanted,
            decryption=pl.ParquetDecryptionProperties(footer_key=part.footer_key, column_keys=part.column_keys),
        )
        for part in opened.parts
    ]
    return pl.concat(frames)
