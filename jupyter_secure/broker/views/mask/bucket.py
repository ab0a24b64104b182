"""Bucket: the keyed number of a bucket, from 0 to `count` - 1.

Type: int32. A value's bucket is its pseudonym's 64 bits modulo `count`, under a key of its own. What has no pseudonym
has no bucket and becomes null.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from . import buffers
from .tokens import Tokens


class BucketMask:
    """See the module. `key` has 32 bytes."""

    type = wire = pa.int32()

    def __init__(self, count: int, kind: pa.DataType, key: bytes) -> None:
        self._count = np.uint64(count)
        self._tokens = Tokens(kind, key, "bucket")

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the numbers of the buckets."""
        tokens, valid = self._tokens.of(array)
        return buffers.from_fixed((tokens % self._count).astype(np.int32), self.type, valid)
