"""Custom: a mask of another package, named by the policy, run in the worker.

An entry point of the group `jupyter_secure.masks` is a class with the promises of `interface.Mask`, made as
`Class(arrow_type, key, **options)`: the column's type, 32 bytes for this column's domain, the options of the policy.
It runs where plaintext is: installing one is trusting it as much as the broker. What it returns is cut to its own rows
again, and refused if it is not of the type and length that it promised.
"""

from __future__ import annotations

from importlib.metadata import entry_points

import pyarrow as pa

from jupyter_secure.protocol.errors import PolicyError
from jupyter_secure.protocol.treatment import Custom

from . import buffers
from .interface import Mask
from .keep import KeepMask

GROUP = "jupyter_secure.masks"


def installed() -> dict[str, str]:
    """Return the names of the masks of other packages, and where each comes from; none is loaded."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


def load(treatment: Custom, kind: pa.DataType, key: bytes) -> Mask:
    """Return the mask.

    Raises:
        PolicyError: it is not installed, or does not take these options.
    """
    for point in entry_points(group=GROUP, name=treatment.name):
        try:
            return CustomMask(point.load()(buffers.plain_type(kind), key, **treatment.options))
        except Exception as error:  # noqa: BLE001 - foreign code; whatever went wrong, its text may hold anything
            raise PolicyError(
                f"The mask `{treatment.name}` does not work with the options of the policy.",
                detail=type(error).__name__,
            ) from None
    raise PolicyError(f"The mask `{treatment.name}` is not installed where the broker runs.")


class CustomMask:
    """A foreign mask, held to its promises."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._keep = KeepMask(mask.type)
        self.type = self.wire = self._keep.type

    def apply(self, array: pa.Array) -> pa.Array:
        """Return what the mask makes, in buffers of its own.

        Raises:
            PolicyError: it is of another type or length than promised, or has a value where there was none.
        """
        made = self._mask.apply(buffers.plain(array))
        if not isinstance(made, pa.Array) or made.type != self._mask.type or len(made) != len(array):
            raise PolicyError("A mask of another package broke its promises.", detail="type or length")
        if array.null_count and made.is_valid().filter(array.is_null()).true_count:
            raise PolicyError("A mask of another package broke its promises.", detail="a value for a null")
        return self._keep.apply(made)
