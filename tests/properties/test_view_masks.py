"""What holds of every mask, whatever the values."""

import datetime as dt
import math
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_secure.broker.views.mask import buffers
from jupyter_secure.broker.views.mask.choice import choose
from jupyter_secure.broker.views.mask.cmac import Cmac
from jupyter_secure.broker.views.mask.interface import field
from jupyter_secure.broker.views.mask.pseudonym import derive
from jupyter_secure.kernel.expand import expand, shown_schema
from jupyter_secure.protocol.treatment import (
    Bucket,
    Clip,
    FormatPreserving,
    Generalize,
    Keep,
    Noise,
    Partial,
    Pseudonym,
    Redact,
    Scrub,
    ShiftDates,
    Suppress,
    Unit,
)
from jupyter_secure.testing.masks import apply

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
PSEUDONYM = Pseudonym(domain="person")
TREATMENTS = [
    Keep(),
    Clip(low=-10, high=1000),
    Noise(scale=3.0, subject="p"),
    ShiftDates(subject="p"),
    Scrub(),
    Partial(form="email"),
    FormatPreserving(alphabet="lower"),
    PSEUDONYM,
    Bucket(count=100),
    Generalize(),
    Generalize(edges=(0, 10), grid=0.5),
    Redact(),
    Suppress(),
]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
days = st.dates(dt.date(1800, 1, 1), dt.date(2200, 1, 1))
times = st.datetimes(dt.datetime(1800, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001 - columns without a zone
VALUES = [
    (pa.string(), text),
    (pa.large_string(), text),
    (pa.string_view(), text),
    (pa.dictionary(pa.int32(), pa.string()), text),
    (pa.binary(), st.binary(max_size=60)),
    (pa.int8(), st.integers(-128, 127)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.bool_(), st.booleans()),
    (pa.date32(), days),
    (pa.date64(), days),
    (pa.timestamp("us"), times),
    (pa.timestamp("ns", "UTC"), times),
    (pa.decimal128(12, 2), st.decimals(-(10**9), 10**9, places=2)),
]


def masked(treatment, array, key=KEY):
    """Return the column as it is shown."""
    mask = choose(treatment, array.type, key, pa.string())
    batch = pa.RecordBatch.from_arrays([apply(mask, array)], schema=pa.schema([field("c", mask)]))
    shown = expand(batch, shown_schema(batch.schema)).column(0)
    shown.validate(full=True)
    assert shown.type == (pa.large_string() if pa.types.is_string(mask.type) else mask.type)
    return shown.cast(mask.type)


def arrays(kind, values):
    return st.lists(st.none() | values, max_size=40).map(lambda found: pa.array(found, kind))


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=60), st.binary(min_size=32, max_size=32))
def test_the_vectorised_cmac_is_the_cmac_of_openssl(messages, key):
    found = Cmac(key).text(buffers.text(pa.array(messages, pa.binary()), None))
    for message, tag in zip(messages, found, strict=True):
        mac = CMAC(algorithms.AES256(key))
        mac.update(message)
        assert tag.tobytes() == mac.finalize()


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=lambda value: str(value)[:24])
@pytest.mark.parametrize("treatment", TREATMENTS, ids=lambda treatment: type(treatment).__name__)
@settings(max_examples=15)
@given(data=st.data())
def test_rows_and_nulls_stay_in_place_and_a_slice_is_masked_like_the_whole(kind, values, treatment, data):
    array = data.draw(arrays(kind, values))
    cut = data.draw(st.integers(0, len(array)))
    whole = masked(treatment, array)
    assert len(whole) == len(array)
    empties = isinstance(treatment, Suppress | FormatPreserving | ShiftDates) or whole.null_count == len(whole)
    assert empties or whole.is_null().equals(array.is_null())
    assert not any(
        found and not had for found, had in zip(whole.is_valid().to_pylist(), array.is_valid().to_pylist(), strict=True)
    )
    assert same(masked(treatment, array.slice(cut)), whole.slice(cut))


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=lambda value: str(value)[:24])
@settings(max_examples=15)
@given(data=st.data())
def test_keep_changes_no_value(kind, values, data):
    array = data.draw(arrays(kind, values))
    assert same(masked(Keep(), array), array.cast(buffers.plain_type(kind)))


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=lambda value: str(value)[:24])
@settings(max_examples=15)
@given(data=st.data())
def test_equal_values_have_equal_tokens_and_another_project_has_others(kind, values, data):
    array = data.draw(arrays(kind, values).filter(lambda found: found.null_count < len(found)))
    plain = array.cast(buffers.plain_type(kind))
    tokens = masked(PSEUDONYM, array).to_pylist()
    by_value = {}
    for value, token in zip(map(canonical_value, plain.to_pylist()), tokens, strict=True):
        assert by_value.setdefault(value, token) == token
    assert len(set(by_value.values())) == len(by_value)
    elsewhere = masked(PSEUDONYM, array, OTHER).to_pylist()
    assert not {token for token in tokens if token} & {token for token in elsewhere if token}


def canonical_value(value):
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value + 0.0
    return value


def same(left, right):
    if pa.types.is_floating(left.type):
        return left.is_null().equals(right.is_null()) and np.array_equal(
            left.fill_null(0).to_numpy(), right.fill_null(0).to_numpy(), equal_nan=True
        )
    return left.equals(right)


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_and_a_text_of_the_same_bytes_have_different_tokens(value):
    message = value.to_bytes(16, "little", signed=True)
    number = masked(PSEUDONYM, pa.array([value], pa.int64()))[0]
    assert number != masked(PSEUDONYM, pa.array([message], pa.binary()))[0]


def test_signed_unsigned_and_narrow_integers_agree():
    kinds = (pa.int8(), pa.uint8(), pa.int32(), pa.uint64(), pa.int64())
    assert len({masked(PSEUDONYM, pa.array([7], kind))[0].as_py() for kind in kinds}) == 1


def test_a_large_unsigned_integer_is_not_a_negative_one():
    high = masked(PSEUDONYM, pa.array([2**64 - 1], pa.uint64()))[0]
    assert high != masked(PSEUDONYM, pa.array([-1], pa.int64()))[0]


def test_text_encodings_agree_and_the_token_is_the_head_of_the_cmac():
    kinds = (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()))
    found = {masked(PSEUDONYM, pa.array(["Zoe"], kind))[0].as_py() for kind in kinds}
    mac = CMAC(algorithms.AES256(derive(KEY, "text")))
    mac.update(b"Zoe")
    assert found == {mac.finalize()[:8].hex()}


def test_the_same_instant_agrees_in_every_unit_and_zone():
    kinds = (pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("ns"), pa.timestamp("us", "Europe/Berlin"))
    assert len({masked(PSEUDONYM, pa.array([86_400], pa.int64()).cast(kinds[0]).cast(kind))[0] for kind in kinds}) == 1


def test_without_the_key_no_guessed_value_has_its_token():
    token = masked(PSEUDONYM, pa.array(["anna"]))[0].as_py()
    guesses = {masked(PSEUDONYM, pa.array(["anna"]), bytes([byte]) * 32)[0].as_py() for byte in range(200)}
    assert token not in guesses


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1), st.integers(1, 2**53 - 1))
def test_integers_are_floored_to_the_width(values, width):
    lowest = -(2**63) + 2**63 % width
    expected = [max(value // width * width, lowest) for value in values]
    assert masked(Generalize(width=width), pa.array(values, pa.int64())).to_pylist() == expected


@given(st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1), st.integers(1, 10**6))
def test_decimals_are_floored_to_the_width(values, width):
    found = masked(Generalize(width=width), pa.array(values, pa.decimal128(18, 2))).to_pylist()
    assert found == [value // width * width - (width if value % width < 0 else 0) for value in values]


@given(st.lists(days, min_size=1), st.sampled_from(get_args(Unit)))
def test_dates_and_times_fall_on_the_start_of_the_period(values, unit):
    starts = [_start(value, unit) for value in values]
    treatment = Generalize(unit=unit)
    assert masked(treatment, pa.array(values, pa.date32())).to_pylist() == starts
    noon = pa.array([dt.datetime.combine(value, dt.time(12)) for value in values], pa.timestamp("us"))
    assert [value.date() for value in masked(treatment, noon).to_pylist()] == starts


@given(st.lists(text, min_size=1), st.integers(0, 10))
def test_text_keeps_a_prefix_and_shows_no_length(values, prefix):
    for kind in (pa.string(), pa.string_view()):
        found = masked(Generalize(prefix=prefix), pa.array(values, kind)).to_pylist()
        assert found == [value[:prefix] + "*" for value in values]


@given(st.lists(st.text("abc", max_size=20) | st.text("ab\u00e9", max_size=3), max_size=40), st.integers(0, 5))
def test_a_prefix_read_from_views_is_the_same(values, prefix):
    views = pa.concat_arrays([pa.array(["before"], pa.string_view()), pa.array(values, pa.string_view())]).slice(1)
    found = masked(Generalize(prefix=prefix), views).to_pylist()
    assert found == [value[:prefix] + "*" for value in values]


@given(st.lists(st.lists(days, min_size=1, max_size=40), max_size=8), st.sampled_from(get_args(Unit)))
def test_a_batch_of_dates_is_masked_as_it_would_be_alone(batches, unit):
    mask = choose(Generalize(unit=unit), pa.date32())
    for batch in batches:
        near = pa.array([dt.date(2000, 1, 1) + (day - dt.date(2000, 1, 1)) // 10_000 for day in batch])
        assert mask.apply(near).equals(choose(Generalize(unit=unit), pa.date32()).apply(near))
        assert mask.apply(near).to_pylist() == [_start(day, unit) for day in near.to_pylist()]


def _start(day, unit):
    if unit == "day":
        return day
    if unit == "week":
        return day - dt.timedelta(days=day.weekday())
    if unit == "quarter":
        return day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1)
    year = day.year // 10 * 10 if unit == "decade" else day.year
    return dt.date(year, day.month if unit == "month" else 1, 1)


def test_a_narrow_integer_stays_narrow_unless_the_width_does_not_fit():
    assert masked(Generalize(width=10), pa.array([57], pa.int8())).type == pa.int8()
    assert masked(Generalize(width=1000), pa.array([-5], pa.int8())).equals(pa.array([-1000], pa.int64()))


def test_the_sign_of_zero_and_the_bits_of_nan_are_not_passed_on():
    odd_nan = np.array([0x7FF8DEADBEEF0001, 0x8000000000000000], np.uint64).view(np.float64)
    found = masked(Generalize(width=10), pa.array(odd_nan)).to_numpy()
    assert found.view(np.uint64).tolist() == [np.float64(np.nan).view(np.uint64), 0]


def test_what_a_method_has_no_meaning_for_becomes_null():
    nested = pa.array([[1], [2]], pa.list_(pa.int64()))
    assert masked(PSEUDONYM, nested).null_count == 2
    assert masked(Generalize(), pa.array([True])).null_count == 1
    assert masked(Redact(), pa.array([1.5])).null_count == 1
