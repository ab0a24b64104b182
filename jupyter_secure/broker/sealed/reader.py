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
from jupyter_secure.protocol.errors import IntegrityError, RefusedError

from . import data_keys
from .catalog import Catalog
from .data_keys import Place
from .footer import check_pin
from .key_sheets import PartKeys
from .kinds import leaves
from .manifest import Part, Signed


@dataclass(frozen=True)
class OpenedPart:
    """One Parquet file and the keys for it; keys never show in a representation.

    Attributes:
        size, footer_sha256: the pin, so that whoever opens the file can check it on his own descriptor.
        footer_key: 32 bytes.
        column_keys: 32 bytes for each column that was asked for, and for no other; by leaf where it is nested.
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
    kinds = {column.name: column.type for column in signed.manifest.columns}
    keys = data_keys_of(catalog, keychain, signed, wanted)
    parts = tuple(
        _open_part(folder, part, footer_key, _by_leaf(column_keys, kinds))
        for part, (footer_key, column_keys) in zip(signed.manifest.parts, keys, strict=True)
    )
    return OpenedDataset(version=signed.described(), columns=wanted, parts=parts)


def data_keys_of(
    catalog: Catalog, keychain: Keychain, signed: Signed, columns: Iterable[str]
) -> tuple[tuple[bytes, dict[str, bytes]], ...]:
    """Return for each part of a version the footer's key and those of the columns; raises as `open_version`."""
    generation, sheet = catalog.sheets.keys(signed)
    try:
        kek = keychain.dataset_key(signed.manifest.dataset, generation)
    except IntegrityError:
        # A rotation may have come between the two; if none did, it is what it says.
        if catalog.sheets.generation(signed.manifest.dataset) == generation:
            raise
        return data_keys_of(catalog, keychain, signed, columns)
    wanted = tuple(columns)
    return tuple(
        _unwrapped(kek, signed, part, keys, wanted) for part, keys in zip(signed.manifest.parts, sheet, strict=True)
    )


def _unwrapped(
    kek: bytes, signed: Signed, part: Part, keys: PartKeys, columns: tuple[str, ...]
) -> tuple[bytes, dict[str, bytes]]:
    def unwrap(wrapped: str, column: str | None) -> bytes:
        it = signed.manifest
        place = Place(dataset=it.dataset, version=it.version, part=part.file, column=column)
        return data_keys.unwrap(kek, wrapped, place)

    return unwrap(keys.footer_key, None), {column: unwrap(keys.column_keys[column], column) for column in columns}


def _by_leaf(keys: dict[str, bytes], kinds: dict[str, str]) -> dict[str, bytes]:
    return {leaf: key for column, key in keys.items() for leaf in leaves(column, kinds[column])}


def _open_part(folder: Path, part: Part, footer_key: bytes, column_keys: dict[str, bytes]) -> OpenedPart:
    return OpenedPart(
        path=folder / part.file,
        size=part.size,
        footer_sha256=part.footer_sha256,
        rows=part.rows,
        row_groups=part.row_groups,
        footer_key=footer_key,
        column_keys=column_keys,
    )
