"""The conformance suite of masks: for those of this package and for those of other packages.

`check(make)` fails with an `AssertionError` that says which promise of `broker.views.mask.interface` broke, for which
type. It tries every type that a sealed dataset may have, with nulls, slices, extremes and other encodings of text.

    def test_my_mask():
        masks.check(lambda kind, key: MyMask(kind, key, depth=2))
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jupyter_secure.broker.views.mask.interface import AnyMask, SubjectMask

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
HIDDEN = "HIDDEN-a74c-0123456789"  # stands in rows that are cut away, so no buffer of a result may hold it
Make = Callable[[pa.DataType, bytes], AnyMask]
TEXTS = ["", "Zoë", "ann@example.org", "+49 30 1234567", "DE89 3704 0044 0532 0130 00", "\U0001f600" * 20, "a\nb"]
MOMENTS = [dt.datetime(1, 1, 1), dt.datetime(1969, 12, 31, 23), dt.datetime(9999, 12, 31)]  # noqa: DTZ001 - no zone
NUMBERS: list[Any] = [0, 1, 42, 127]
SAMPLES: tuple[tuple[pa.DataType, list[Any]], ...] = (
    (pa.string(), TEXTS),
    (pa.large_string(), TEXTS),
    (pa.string_view(), TEXTS),
    (pa.dictionary(pa.int32(), pa.string()), TEXTS),
    (pa.binary(), [text.encode() for text in TEXTS]),
    (pa.int8(), [-128, *NUMBERS]),
    (pa.int16(), [-(2**15), *NUMBERS]),
    (pa.int32(), [-(2**31), *NUMBERS]),
    (pa.int64(), [-(2**63), 2**63 - 1, *NUMBERS]),
    (pa.uint8(), [255, *NUMBERS]),
    (pa.uint64(), [2**64 - 1, *NUMBERS]),
    (pa.float32(), [-0.0, 1e38, float("nan"), float("inf"), *NUMBERS]),
    (pa.float64(), [-0.0, 1e308, float("nan"), float("-inf"), *NUMBERS]),
    (pa.bool_(), [True, False]),
    (pa.date32(), [moment.date() for moment in MOMENTS]),
    (pa.date64(), [moment.date() for moment in MOMENTS]),
    (pa.timestamp("s"), MOMENTS),
    (pa.timestamp("us", "Europe/Berlin"), MOMENTS[1:2]),
    (pa.timestamp("ns"), MOMENTS[1:2]),
    (pa.time64("us"), [dt.time(23, 59)]),
    (pa.duration("s"), [dt.timedelta(days=3)]),
    (pa.decimal128(12, 2), [decimal.Decimal("-9999999999.99"), decimal.Decimal("0.01")]),
    (pa.list_(pa.int64()), [[1, 2], []]),
    (pa.struct([("a", pa.int64())]), [{"a": 1}]),
    (pa.large_list(pa.large_string()), [["a", None], []]),
    (pa.list_(pa.struct([("key", pa.string()), ("value", pa.int64())])), [[{"key": "a", "value": 1}], []]),
    (pa.time64("ns"), [dt.time(23, 59)]),
    (pa.duration("ms"), [dt.timedelta(days=3)]),
    (pa.decimal128(38, 0), [decimal.Decimal(10**37), decimal.Decimal(-1)]),
)


def check(make: Make, *, fills_nulls: bool = False) -> None:
    """Check every promise for every type.

    Args:
        make: returns the mask for a type and a key of 32 bytes; it is called anew for every array.
        fills_nulls: the mask may turn nulls into values, as `constant` does.

    Raises:
        AssertionError: a promise broke; the text names the promise and the type.
    """
    for kind, values in SAMPLES:
        mixed = [None, *values, None, *reversed(values)]
        _check_array(make, kind, pa.array(mixed, kind), fills_nulls=fills_nulls)
        for few in ([], [None, None], values):
            _result(make, kind, pa.array(few, kind))
        _check_hidden(make, kind, values)


def apply(mask: AnyMask, array: pa.Array) -> pa.Array:
    """Return what the mask makes of a column in which every row is of one person."""
    if isinstance(mask, SubjectMask):
        return mask.apply(array, pa.array(["somebody"] * len(array), pa.string()))
    return mask.apply(array)


def _check_array(make: Make, kind: pa.DataType, array: pa.Array, *, fills_nulls: bool) -> None:
    made = _plain(_result(make, kind, array))
    if not fills_nulls:
        known = made.is_valid().to_pylist()
        assert not any(found and not had for found, had in zip(known, array.is_valid().to_pylist(), strict=True)), (
            f"{kind}: a null became a value"
        )
    assert _same(_plain(_result(make, kind, array)), made), f"{kind}: the same key gave two results"
    for start, length in ((1, len(array) - 2), (len(array) // 2, 1), (2, 0)):
        cut = _plain(_result(make, kind, array.slice(start, length)))
        assert _same(cut, made.slice(start, length)), f"{kind}: a slice is masked in another way than the whole"


def _result(make: Make, kind: pa.DataType, array: pa.Array) -> pa.Array:
    mask = make(kind, KEY)
    made = apply(mask, array)
    made.validate(full=True)
    assert len(made) == len(array), f"{kind}: another number of rows"
    assert made.type == mask.wire, f"{kind}: {made.type} instead of the promised {mask.wire}"
    return made


def _check_hidden(make: Make, kind: pa.DataType, values: list[Any]) -> None:
    if not isinstance(values[0], str | bytes):
        return
    hidden = HIDDEN if isinstance(values[0], str) else HIDDEN.encode()
    whole = pa.array([hidden, *values, None, hidden], kind)
    made = _result(make, kind, whole.slice(1, len(values) + 1))
    assert not any(HIDDEN.encode() in memory for memory in _memory(made)), f"{kind}: bytes of other rows came along"


def _memory(array: pa.Array) -> list[bytes]:
    return [buffer.to_pybytes() for buffer in array.buffers() if buffer is not None]


def _plain(array: pa.Array) -> pa.Array:
    return pc.run_end_decode(array) if pa.types.is_run_end_encoded(array.type) else array


def _same(one: pa.Array, other: pa.Array) -> bool:
    if pa.types.is_floating(one.type):  # NaN equals NaN here
        values = [np.asarray(array.fill_null(0)) for array in (one, other)]
        return bool(one.is_null().equals(other.is_null()) and np.array_equal(*values, equal_nan=True))
    return bool(one.equals(other))
