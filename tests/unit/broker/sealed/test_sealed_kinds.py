"""Every type that Parquet and its readers can hold is sealed without loss; every other is refused by name."""

import datetime as dt
import decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_secure.broker.sealed import check
from jupyter_secure.broker.sealed.columns import cast, sealed_schema
from jupyter_secure.broker.sealed.kinds import leaves, sealed_kind
from jupyter_secure.broker.sealed.source import open_source
from jupyter_secure.protocol.errors import InputFileError
from jupyter_secure.testing.sealed_data import SealedData, read

NUMBERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
REAL = [pa.float16(), pa.float32(), pa.float64()]
DECIMALS = [pa.decimal32(9, 2), pa.decimal64(18, 3), pa.decimal128(38, 4), pa.decimal256(38, 0)]
TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int16(), pa.string())]
BYTES = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(4)]
UNITS = ["s", "ms", "us", "ns"]
MOMENTS = [pa.timestamp(unit, zone) for unit in UNITS for zone in (None, "UTC", "Europe/Berlin", "+05:30")]
SPANS = [pa.duration(unit) for unit in UNITS]
TIMES = [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]
FLAT = st.sampled_from(
    [
        *NUMBERS, *REAL, *DECIMALS, *TEXTS, *BYTES, *MOMENTS, *SPANS, *TIMES,
        pa.bool_(), pa.null(), pa.date32(), pa.date64(),
    ]
)  # fmt: skip
NAMES = st.lists(st.sampled_from(["a", "b c", "Ä", "list", "element", "key"]), min_size=1, max_size=2, unique=True)


def nested(inner):
    return st.one_of(
        st.builds(pa.list_, inner),
        st.builds(pa.large_list, inner),
        st.builds(lambda kind: pa.list_(kind, 2), inner),
        st.builds(lambda kind: pa.map_(pa.string(), kind), inner),
        st.builds(lambda names, kind: pa.struct([(name, kind) for name in names]), NAMES, inner),
    )


KINDS = st.recursive(FLAT, nested, max_leaves=3)


def whole(kind):
    info = np.iinfo(kind.to_pandas_dtype())
    return st.integers(int(info.min), int(info.max))


def moment(kind):
    # Both ends are what nanoseconds reach.
    ends = (dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001  # bounds have no zone
    return st.datetimes(*ends).map(lambda it: it.replace(microsecond=0, tzinfo=dt.UTC if kind.tz else None))


def lists(kind):
    size = kind.list_size if TYPES.is_fixed_size_list(kind) else None
    return st.lists(optional(kind.value_type), min_size=size or 0, max_size=size or 3)


def pairs(kind):
    found = st.dictionaries(st.text("xyz", max_size=2), optional(kind.item_type), max_size=2)
    return found.map(lambda it: list(it.items()))


def fractions(kind):
    return st.integers(-(10**9) + 1, 10**9 - 1).map(lambda n: decimal.Decimal(n).scaleb(-kind.scale))


TYPES = pa.types
# Values of each type; Arrow may then bring them to another layout.
VALUES = [
    (TYPES.is_null, lambda _: st.none()),
    (lambda kind: TYPES.is_list(kind) or TYPES.is_large_list(kind) or TYPES.is_fixed_size_list(kind), lists),
    (TYPES.is_map, pairs),
    (TYPES.is_struct, lambda kind: st.fixed_dictionaries({field.name: optional(field.type) for field in kind})),
    (TYPES.is_dictionary, lambda kind: values(kind.value_type)),
    (TEXTS.__contains__, lambda _: st.text(max_size=5)),
    (TYPES.is_fixed_size_binary, lambda _: st.binary(min_size=4, max_size=4)),
    (BYTES.__contains__, lambda _: st.binary(max_size=5)),
    (TYPES.is_boolean, lambda _: st.booleans()),
    (TYPES.is_integer, whole),
    (TYPES.is_floating, lambda kind: st.floats(width=kind.bit_width, allow_nan=False)),
    (TYPES.is_decimal, fractions),
    (TYPES.is_date, lambda _: st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))),
    (TYPES.is_time, lambda _: st.times().map(lambda it: it.replace(microsecond=0))),
    (TYPES.is_duration, lambda _: st.integers(-(10**8), 10**8).map(lambda n: dt.timedelta(seconds=n))),
    (TYPES.is_timestamp, moment),
]


def values(kind):
    return next(strategy for holds, strategy in VALUES if holds(kind))(kind)


def optional(kind):
    return st.none() | values(kind)


@st.composite
def columns(draw):
    kind = draw(KINDS)
    rows = draw(st.lists(optional(kind), max_size=4))
    return pa.array(rows, plain(kind)).cast(kind) if kind in TEXTS + BYTES[:3] else pa.array(rows, kind)


def plain(kind):
    return pa.string() if kind in TEXTS else pa.binary()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    data = SealedData(tmp_path_factory.mktemp("kinds"))
    yield data
    data.close()


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(column=columns())
def test_what_is_sealed_is_read_back(kept, column):
    table = pa.table({"id": pa.array(range(len(column)), pa.int64()), "c": column})
    version = kept.seal(table)
    assert [it.type for it in version.columns] == ["int64", str(sealed_schema(table.schema).field("c").type)]
    report = check.check(kept.catalog, kept.keychain, "patients", version.version)
    assert report.sound, report.findings
    found = read(kept.open(["c", "id"], version=version.version))
    assert found["id"].to_list() == list(range(len(column)))
    wanted = pl.from_arrow(table.cast(sealed_schema(table.schema)))
    assert found["c"].equals(wanted["c"].cast(found.schema["c"]), null_equal=True)
    only = kept.open(["c"], version=version.version)
    assert read(only).height == len(column)


@settings(max_examples=100)
@given(kind=KINDS)
def test_the_leaves_are_those_of_the_file(tmp_path_factory, kind):
    stored = sealed_kind("a.b", kind)
    path = tmp_path_factory.getbasetemp() / "leaves.parquet"
    pq.write_table(pa.table({"a.b": pa.array([], stored)}), path)
    metadata = pq.ParquetFile(path).metadata
    found = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
    assert list(leaves("a.b", str(stored))) == found
    assert sealed_kind("a.b", stored) == stored


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (pa.month_day_nano_interval(), "Convert it"),
        (pa.run_end_encoded(pa.int32(), pa.int64()), "Convert it"),
        (pa.dense_union([pa.field("x", pa.int64())]), "Convert it"),
        (pa.decimal256(39, 2), "Round it to 38 digits"),
        (pa.list_(pa.decimal256(76, 2)), "Round it to 38 digits"),
        (pa.timestamp("us", "Nowhere/Land"), "time zone"),
        (pa.struct([]), "names that differ"),
        (pa.struct([("a.b", pa.int64())]), "names that differ"),
        (pa.struct([("a", pa.int64()), ("a", pa.int64())]), "names that differ"),
    ],
)
def test_what_cannot_be_sealed_is_refused_by_name_with_what_to_do(kind, advice):
    with pytest.raises(InputFileError, match=rf"Column `c` .*{advice}.*nothing was sealed"):
        sealed_schema(pa.schema([("c", kind)]))


def test_a_nested_column_and_one_whose_name_continues_it_are_not_sealed_together():
    with pytest.raises(InputFileError, match="begins with `c"):
        sealed_schema(pa.schema([("c", pa.list_(pa.int64())), ("c.list.element", pa.int64())]))
    with pytest.raises(InputFileError, match="too long"):
        sealed_schema(pa.schema([("c", pa.struct([("x" * 200, pa.int64())]))]))


def test_a_value_that_the_stored_type_cannot_hold_is_said_by_name():
    far = pa.array([2**62], pa.duration("s"))
    with pytest.raises(InputFileError, match="Column `c` has a value"):
        cast(far, pa.field("c", sealed_kind("c", far.type)))


def test_a_thousand_columns_are_sealed_and_read(kept, tmp_path):
    table = pa.table({f"column {number}": [number, None] for number in range(1000)})
    pq.write_table(table, tmp_path / "wide.parquet")
    source = open_source(tmp_path / "wide.parquet")
    version = kept.seal(pa.Table.from_batches(source.batches(), source.schema), name="wide")
    assert read(kept.open(table.column_names, name="wide")).to_arrow().equals(table)
    assert read(kept.open(["column 999"], name="wide"))["column 999"].to_list() == [999, None]
    assert check.check(kept.catalog, kept.keychain, "wide", version.version).sound
