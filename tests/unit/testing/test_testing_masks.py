"""The conformance suite of masks notices each broken promise."""

import pyarrow as pa
import pytest

from jupyter_secure.broker.views.mask.keep import KeepMask
from jupyter_secure.testing import masks


class Leaking(KeepMask):
    """Hands the memory of the whole column on."""

    def apply(self, array):
        return array.cast(self.type) if pa.types.is_string(array.type) else super().apply(array)


class Short(KeepMask):
    def apply(self, array):
        return super().apply(array).slice(1)


class Filling(KeepMask):
    def apply(self, array):
        made = super().apply(array)
        return made.fill_null(False) if pa.types.is_boolean(made.type) else made


class Moody(KeepMask):
    """A result that depends on what else is in the column."""

    def apply(self, array):
        made = super().apply(array)
        return pa.nulls(len(made), made.type) if len(made) > 5 else made


class Untyped(KeepMask):
    def apply(self, array):
        return pa.nulls(len(array))


@pytest.mark.parametrize(
    ("mask", "promise"),
    [
        (Leaking, "bytes of other rows"),
        (Short, "another number of rows"),
        (Filling, "a null became a value"),
        (Moody, "a slice is masked in another way"),
        (Untyped, "instead of the promised"),
    ],
)
def test_a_broken_promise_is_named(mask, promise):
    with pytest.raises(AssertionError, match=promise):
        masks.check(lambda kind, _: mask(kind))


def test_a_mask_that_keeps_its_promises_passes():
    masks.check(lambda kind, _: KeepMask(kind))
