"""The newest version of a dataset without the rows of one person.

Parts that do not hold the person are taken over as they are; the others are written again without those rows, under
fresh data keys. The rows are compared in the memory of this process, which is the owner's command and no broker.
Promises: a part is opened only after its whole digest was found to be the sealed one; no message holds the value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_secure.broker.keys.keychain import Keychain
from jupyter_secure.protocol.errors import InvalidRequestError, RefusedError

from .catalog import Catalog
from .contents import Former, former_parts, former_schema
from .parts import PartWriter

BATCH = 1 << 16


class Remainder:
    """Everybody but one; as `contents.Content` it is the next version.

    Args:
        column: the one that names the person.
        value: what it has for the person, as text.

    Raises:
        RefusedError: there is no such dataset or column.
        InvalidRequestError: the column cannot have such a value.
    """

    measure = None

    def __init__(self, catalog: Catalog, keychain: Keychain, name: str, column: str, value: str) -> None:
        self._catalog = catalog
        self._keychain = keychain
        self._name = name
        self._column = column
        self.schema = former_schema(catalog, keychain, name)
        if column not in self.schema.names:
            raise RefusedError(f"The dataset has no column `{column}`. Nothing was changed.")
        self._value = _typed(value, self.schema.field(column).type)
        self._known: dict[str, bool] = {}

    def held_by(self, version: int) -> bool:
        """Say whether a version has a row of the person."""
        return any(self._holds(former) for former in former_parts(self._catalog, self._keychain, self._name, version))

    def fill(self, parts: PartWriter) -> None:
        """See `Content`."""
        for former in former_parts(self._catalog, self._keychain, self._name):
            if self._holds(former):
                parts.write(self._others(former))
            else:
                parts.keep(former.path, former.part, former.footer_key, former.column_keys)

    def _holds(self, former: Former) -> bool:
        # Versions share parts, so each file is looked at once.
        digest = former.part.sha256
        if digest not in self._known:
            batches = former.batches(BATCH, [self._column])
            self._known[digest] = any(pc.any(self._theirs(batch)).as_py() for batch in batches)
        return self._known[digest]

    def _others(self, former: Former) -> Iterator[Any]:
        for batch in former.batches(BATCH, self.schema.names):
            rest = batch.filter(pc.invert(self._theirs(batch)))
            yield pa.RecordBatch.from_arrays(rest.columns, schema=self.schema)

    def _theirs(self, batch: Any) -> Any:
        return pc.fill_null(pc.equal(batch.column(self._column), self._value), fill_value=False)


def _typed(value: str, kind: Any) -> Any:
    try:
        return pa.scalar(value, pa.string()).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InvalidRequestError(f"The column holds `{kind}`, and the value is none. Nothing was changed.") from None
