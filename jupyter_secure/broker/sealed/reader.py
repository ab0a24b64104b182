"""Opening a sealed version with the keys of only the columns asked for.

Steps of `open_version`: (1) demand ACCESS; (2) the manifest, verified and remembered; (3) the pin of every part:
regular file, size, encrypted-footer magic, footer digest; (4) unwrap the footer's and the asked columns' keys of each
part. What comes back is all that a worker needs to read; the dataset's own key is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_secure.broker import plaintext
from jupyter_secure.broker.keys.keychain import Keychain
from jupyter_secure.protocol.dataset import DatasetVersion
from jupyter_secure.protocol.errors import RefusedError

from . import data_keys
from .catalog import Catalog
from .data_keys import Place
from .footer import check_pin
from .manifest import Part


@dataclass(frozen=True)
class OpenedPart:
    """One Parquet file and the keys for it; keys never show in a representation.

    Attributes:
        size, footer_sha256: the pin, so that whoever opens the file can check it on his own descriptor.
        footer_key: 32 bytes.
        column_keys: 32 bytes for each column that was asked for, and for no other.
    """

    path: Path
    size: int
    footer_sha256: str
    rows: int
    row_groups: int
    footer_key: bytes = field(repr=False)
    column_keys: dict[str, bytes] = field(repr=False)


@dataclass(frozen=True)
class OpenedDataset:
    """A version that can be read now, in the columns asked for."""

    version: DatasetVersion
    columns: tuple[str, ...]
    parts: tuple[OpenedPart, ...]

    @property
    def rows(self) -> int:
        """Return how many rows all parts have."""
        return self.version.rows


def open_version(
    catalog: Catalog,
    keychain: Keychain,
    name: str,
    *,
    columns: Iterable[str],
    access: plaintext.Access,
    version: int | None = None,
) -> OpenedDataset:
    """Open a version, by default the newest.

    Raises:
        RefusedError: there is no such dataset, version or column.
        IntegrityError: manifest, parts or keys are not what was sealed.
        LockedError: the vault is locked.
    """
    # (1) Whoever asks shows it in the imports.
    plaintext.demand(access)
    # (2) Nothing below trusts the disk.
    signed = catalog.signed(name, version)
    wanted = tuple(dict.fromkeys(columns))
    if not set(wanted) <= {column.name for column in signed.manifest.columns}:
        raise RefusedError(detail="a column that the version does not have")
    folder = catalog.folder(name, signed.manifest.version)
    # (3) Before any Parquet library sees a part.
    for part in signed.manifest.parts:
        check_pin(folder / part.file, part.size, part.footer_sha256)
    # (4) Keys leave here, of these columns alone.
    kek = keychain.dataset_key(name)
    parts = tuple(
        _open_part(kek, folder, name, signed.manifest.version, part, wanted) for part in signed.manifest.parts
    )
    return OpenedDataset(version=signed.described(), columns=wanted, parts=parts)


def _open_part(kek: bytes, folder: Path, name: str, version: int, part: Part, wanted: tuple[str, ...]) -> OpenedPart:
    def unwrap(wrapped: str, column: str | None) -> bytes:
        return data_keys.unwrap(kek, wrapped, Place(dataset=name, version=version, part=part.file, column=column))

    return OpenedPart(
        path=folder / part.file,
        size=part.size,
        footer_sha256=part.footer_sha256,
        rows=part.rows,
        row_groups=part.row_groups,
        footer_key=unwrap(part.footer_key, None),
        column_keys={column: unwrap(part.column_keys[column], column) for column in wanted},
    )
