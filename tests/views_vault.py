"""A sealed table and a plan for it, for the tests of views."""

import os

import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_secure.broker.sealed.data_keys import PartCipher
from jupyter_secure.broker.sealed.footer import footer_digest, open_part
from jupyter_secure.broker.views.plan import Part, ViewPlan, keyed, needed
from jupyter_secure.protocol.view import ColumnView

INFO = b'{"grant":"g"}'


def sealed_part(folder, table, keep=None, group=50_000, **options):
    """Write a table sealed; return the part with the keys of the columns in `keep` (all if None)."""
    folder.mkdir(exist_ok=True)
    path = folder / "part-00000.parquet"
    cipher = PartCipher(os.urandom(32), "patients", 1, tuple(table.column_names))
    pq.write_table(table, path, row_group_size=group, encryption_properties=cipher.encryption(), **options)
    footer, columns = cipher.captured()
    fd = open_part(path)
    digest = footer_digest(fd, path.stat().st_size)
    os.close(fd)
    kept = {name: key for name, key in columns.items() if keep is None or name in keep}
    return Part(path=str(path), rows=len(table), footer_key=footer, column_keys=kept, footer_digest=digest)


def plan(folder, table: pa.Table, treatments, recipient, rows=(), **options):
    """Return a plan with exactly the keys that it needs."""
    columns = tuple(ColumnView(name=name, treatment=treatment, rule="r") for name, treatment in treatments.items())
    part = sealed_part(folder, table, needed(columns, rows), **options)
    return ViewPlan(
        parts=(part,),
        columns=columns,
        recipient=recipient,
        info=INFO,
        total=len(table),
        rows=tuple(rows),
        mask_keys={name: os.urandom(32) for name in keyed(columns)},
    )
