"""What each mask shows of a value."""

import datetime as dt
import pathlib
import zoneinfo
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jupyter_secure.broker.views.mask import custom
from jupyter_secure.broker.views.mask.choice import choose
from jupyter_secure.protocol.errors import PolicyError
from jupyter_secure.protocol.form import form, has_meaning
from jupyter_secure.protocol.treatment import (
    METHODS,
    Bucket,
    Clip,
    Constant,
    Custom,
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
)
from jupyter_secure.testing import masks

KEY = bytes(range(32))
TREATMENTS = [
    Keep(),
    Clip(low=-3, high=40.5),
    Noise(scale=2.0, subject="p"),
    Noise(scale=2.0, distribution="laplace", subject="p"),
    ShiftDates(subject="p"),
    Scrub(),
    *(Partial(form=form) for form in ("email", "phone", "iban", "card", "tail")),
    *(FormatPreserving(alphabet=name) for name in ("digits", "lower", "upper", "alphanumeric")),
    Pseudonym(),
    Bucket(count=7),
    Generalize(),
    Generalize(edges=(0, 18, 65), grid=0.5, unit="decade", prefix=0),
    Generalize(grid=0.25),
    Generalize(grid=1e9, unit="week"),
    Constant(value="x"),
    Constant(value=1.5),
    Redact(),
    Suppress(),
]


def shown(treatment, values, kind=None, subjects=None):
    array = pa.array(values, kind)
    people = None if subjects is None else pa.array(subjects)
    mask = choose(treatment, array.type, KEY, None if people is None else people.type)
    made = mask.apply(array) if people is None else mask.apply(array, people)
    made.validate(full=True)
    assert made.type == mask.wire
    return made.to_pylist()


@pytest.mark.parametrize("treatment", TREATMENTS, ids=repr)
def test_the_conformance_suite_passes_for_every_method(treatment):
    masks.check(
        lambda kind, key: choose(treatment, kind, key, pa.string()), fills_nulls=isinstance(treatment, Constant)
    )


@pytest.mark.parametrize("treatment", TREATMENTS, ids=repr)
def test_what_a_method_has_no_meaning_for_is_said_to_be_empty(treatment):
    for kind, values in masks.SAMPLES:
        mask = choose(treatment, kind, KEY, pa.string())
        made = masks.apply(mask, pa.array(values, kind))
        decoded = pc.run_end_decode(made) if pa.types.is_run_end_encoded(made.type) else made
        sealed = "string" if pa.types.is_dictionary(kind) else str(kind)  # no dictionary is sealed
        if not has_meaning(treatment, sealed):
            assert decoded.null_count == len(values), kind
            assert form(treatment, sealed) == "empty"
        elif not isinstance(treatment, Suppress | FormatPreserving):
            assert decoded.null_count < len(values), kind


def test_every_method_is_tried_but_those_of_other_packages():
    assert {type(treatment) for treatment in TREATMENTS} == {*METHODS.values()} - {Custom}


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.int8(), [-128, 5, 127, None], [-2, 5, 40, None]),
        (pa.uint8(), [0, 5, 255, None], [0, 5, 40, None]),
        (pa.float64(), [-9.0, 40.2, 99.0, None], [-2.5, 40.2, 40.5, None]),
        (
            pa.decimal128(5, 1),
            [Decimal("-9.9"), Decimal("99.9"), None],
            [Decimal("-2.5"), Decimal("40.5"), None],
        ),
        (pa.string(), ["a"], [None]),
    ],
)
def test_clip_keeps_numbers_inside_and_rounds_inwards(kind, values, expected):
    assert shown(Clip(low=-2.5, high=40.5), values, kind) == expected


def test_a_range_without_a_value_of_the_type_hides_the_column():
    assert choose(Clip(low=300), pa.uint8()).apply(pa.array([1], pa.uint8())).null_count == 0  # one run
    assert shown(Clip(low=300), [1], pa.uint8()) == [None]
    assert shown(Clip(low=0.2, high=0.8), [0, 1], pa.int64()) == [None, None]


def test_bands_and_grids():
    ages = Generalize(edges=(0, 18, 65))
    assert shown(ages, [-5, 0, 17, 18, 64, 130, None], pa.int16()) == [0, 0, 0, 18, 18, 65, None]
    assert shown(ages, [17.9, 65.0, None], pa.float32()) == [0.0, 65.0, None]
    assert np.isnan(shown(ages, [float("nan")], pa.float64())[0])
    assert shown(Generalize(grid=0.25), [52.5163, -13.38], pa.float64()) == [52.5, -13.5]
    assert shown(Generalize(grid=0.25, width=100), [123], pa.int64()) == [100]
    assert shown(Generalize(grid=250), [1023], pa.int64()) == [1000]  # not the finer steps of the width
    assert shown(Generalize(grid=1e300), [1023], pa.int64()) == [0]
    money = pa.decimal128(8, 2)
    assert shown(ages, [Decimal("17.99"), Decimal(65), None], money) == [0.0, 65.0, None]
    assert shown(Generalize(grid=250), [Decimal("1023.50")], money) == [Decimal("1000.00")]


def test_a_moment_is_truncated_in_the_zone_of_its_column():
    here = zoneinfo.ZoneInfo("America/New_York")
    kind = pa.timestamp("us", "America/New_York")
    moments = [dt.datetime(2023, 5, 31, 23, 30, tzinfo=here), None, dt.datetime(2024, 1, 3, tzinfo=here)]
    starts = {
        "day": [(2023, 5, 31), (2024, 1, 3)], "week": [(2023, 5, 29), (2024, 1, 1)],
        "month": [(2023, 5, 1), (2024, 1, 1)], "quarter": [(2023, 4, 1), (2024, 1, 1)],
        "year": [(2023, 1, 1), (2024, 1, 1)], "decade": [(2020, 1, 1), (2020, 1, 1)],
    }  # fmt: skip
    for unit, (first, last) in starts.items():
        for copies in (1, 500):  # by the table of days, and without it
            made = shown(Generalize(unit=unit), moments * copies, kind)
            assert made == [dt.datetime(*first, tzinfo=here), None, dt.datetime(*last, tzinfo=here)] * copies


def test_a_midnight_that_a_zone_leaves_out_is_the_moment_after():
    zone = "America/Sao_Paulo"  # on 2018-11-04 the day began at one o'clock
    made = shown(Generalize(unit="day"), [dt.datetime(2018, 11, 4, 15, tzinfo=dt.UTC)], pa.timestamp("s", zone))
    assert made == [dt.datetime(2018, 11, 4, 3, tzinfo=dt.UTC)]


def test_a_zone_that_nobody_knows_counts_as_utc():
    made = choose(Generalize(unit="day"), pa.timestamp("s", "Nowhere/Else")).apply(
        pa.array([86_399, 86_400], pa.timestamp("s", "Nowhere/Else"))
    )
    assert made.cast(pa.int64()).to_pylist() == [0, 86_400]


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("email", "ann.lee@mail.example.org", "a***@mail.example.org"),
        ("email", "no address", "***"),
        ("email", "a@b@example.org", "***"),
        ("email", "x@localhost", "***"),
        ("phone", "+49 (30) 123-4567", "***67"),
        ("phone", "(030) 12 34 5 6", "***56"),
        ("phone", "Ann 1234567", "***"),
        ("card", "4111 1111 1111 1234", "***1234"),
        ("card", "1234", "***"),
        ("iban", "DE89 3704 0044 0532 0130 00", "DE***3000"),
        ("iban", "GB82WEST12345698765432", "GB***5432"),
        ("iban", "DE89", "***"),
        ("tail", "Clemens", "***ns"),
        ("tail", "Anna", "***"),
        ("tail", "Zoë-😀😀", "***😀😀"),
        ("tail", "", "***"),
    ],
)
def test_partial_shows_the_part_of_its_form_or_nothing(form, text, expected):
    assert shown(Partial(form=form), [text, None]) == [expected, None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mail ann@example.org, or call +49 30 1234567.", "Mail [EMAIL], or call [NUMBER]."),
        ("see https://example.org/a?b=1 now", "see [URL] now"),
        ("paid to DE89 3704 0044 0532 0130 00 today", "paid to [IBAN] today"),
        ("from 192.168.1.20 and fe80::1ff:fe23:4567:890a", "from [IP] and [IP]"),
        ("card 00:1A:2b:3C:4d:5E", "card [MAC]"),
        ("born 1980-02-29, seen 3.4.2021 and 12/31/99", "born [DATE], seen [DATE] and [DATE]"),
        ("on 3 March 2021 or March 3rd, 2021", "on [DATE] or [DATE]"),
        ("case 12345, ward 7, 38.5 degrees, 120/80", "case [NUMBER], ward 7, 38.5 degrees, 120/80"),
        ("Jane Roe of Springfield", "Jane Roe of Springfield"),
    ],
)
def test_scrub_replaces_what_has_a_form_and_leaves_the_rest(text, expected):
    assert shown(Scrub(), [text, None]) == [expected, None]


def test_a_format_preserving_token_has_the_form_of_its_value():
    values = ["+49 30 1234567", "4111-1111-1111-1111", "123456", "12345", "Ann 123456", None, "", "4111-1111-1111-1111"]
    tokens = shown(FormatPreserving(), values)
    assert [token is None for token in tokens] == [False, False, False, True, True, True, True, False]
    for value, token in zip(values, tokens, strict=True):
        if token:
            assert token != value
            assert [character.isdigit() for character in token] == [character.isdigit() for character in value]
    assert tokens[1] == tokens[-1]
    assert tokens[0][0] == "+"
    [letters] = shown(FormatPreserving(alphabet="alphanumeric"), ["AbC-123"])
    assert letters[3] == "-"
    assert letters.replace("-", "").isalnum()


def test_all_dates_of_a_person_move_together_and_intervals_stay():
    born = [dt.date(1980, 1, 1), dt.date(1980, 3, 1), dt.date(1980, 1, 1), dt.date(1980, 1, 1)]
    people = ["a", "a", "b", None]
    moved = shown(ShiftDates(days=1000, subject="p"), born, pa.date32(), people)
    assert moved[1] - moved[0] == born[1] - born[0]
    assert moved[2] != moved[0]
    assert moved[3] is None
    times = [dt.datetime(1980, 1, 1, 13, 5), None, dt.datetime(1980, 1, 1), dt.datetime(1980, 1, 1)]  # noqa: DTZ001 - no zone
    later = shown(ShiftDates(days=1000, subject="p"), times, pa.timestamp("us"), people)
    assert later[0] - times[0] == moved[0] - born[0]
    assert later[1] is None
    assert shown(ShiftDates(subject="p"), [3], pa.int64(), ["a"]) == [None]


def test_shifts_are_spread_over_the_whole_range():
    people = pa.array(range(20_000))
    mask = choose(ShiftDates(days=3, subject="p"), pa.date32(), KEY, people.type)
    days = mask.apply(pa.array([1000] * len(people), pa.int32()).cast(pa.date32()), people).cast(pa.int32())
    counts = np.bincount(days.to_numpy() - 997, minlength=7)
    assert len(counts) == 7
    assert counts.min() > 2600


@pytest.mark.parametrize(("distribution", "deviation"), [("gaussian", 5.0), ("laplace", 5.0 * 2**0.5)])
def test_noise_of_money_is_noise_of_its_number(distribution, deviation):
    people = pa.array(range(100))
    treatment, money = Noise(scale=deviation, distribution=distribution, subject="p"), pa.decimal128(9, 2)
    numbers = pa.array(np.arange(100.0))
    made = choose(treatment, pa.float64(), KEY, people.type).apply(numbers, people)
    assert choose(treatment, money, KEY, people.type).apply(numbers.cast(money), people).equals(made)


@pytest.mark.parametrize(("distribution", "deviation"), [("gaussian", 5.0), ("laplace", 5.0 * 2**0.5)])
def test_noise_has_its_scale_is_equal_for_a_person_and_differs_between_columns(distribution, deviation):
    people = pa.array(range(50_000))
    treatment = Noise(scale=5.0, distribution=distribution, subject="p")
    zeros = pa.array(np.zeros(len(people)))
    found = choose(treatment, pa.float64(), KEY, people.type).apply(zeros, people).to_numpy()
    again = choose(treatment, pa.float64(), KEY, people.type).apply(zeros, people).to_numpy()
    other = choose(treatment, pa.float64(), bytes(32), people.type).apply(zeros, people).to_numpy()
    assert np.array_equal(found, again)
    assert abs(np.corrcoef(found, other)[0, 1]) < 0.03
    assert abs(found.mean()) < 0.2
    assert abs(found.std() / deviation - 1) < 0.03
    assert shown(treatment, [1, 1], pa.int64(), ["a", None])[1] is None


def test_buckets_are_even_and_equal_for_equal_values():
    found = np.array(shown(Bucket(count=10), [*range(50_000), *range(50_000)]))
    assert np.array_equal(found[:50_000], found[50_000:])
    counts = np.bincount(found[:50_000], minlength=10)
    assert (len(counts), counts.min() > 4600) == (10, True)


def test_one_key_gives_unrelated_tokens_for_two_uses():
    [bucket] = shown(Bucket(count=2**31 - 1), ["ann"])
    [token] = shown(Pseudonym(), ["ann"])
    assert bucket != token % (2**31 - 1)


PLUGIN = """
import pyarrow as pa
import pyarrow.compute as pc


class Reversed:
    def __init__(self, kind, key, *, upper=False):
        self.type = self.wire = kind
        self._upper = upper

    def apply(self, array):
        if not pa.types.is_string(self.type):
            return pa.nulls(len(array), self.type)
        array = pc.utf8_reverse(array.cast(pa.string()))
        return pc.utf8_upper(array) if self._upper else array


class Filling(Reversed):
    def apply(self, array):
        return pa.array(["somebody"] * len(array), self.type)


class Short(Reversed):
    def apply(self, array):
        return array.slice(1)
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    (tmp_path / "hospital_masks.py").write_text(PLUGIN)
    info = tmp_path / "hospital_masks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hospital-masks\nVersion: 1.0\n")
    names = ("reversed", "filling", "short")
    points = "\n".join(f"{name} = hospital_masks:{name.title()}" for name in names)
    (info / "entry_points.txt").write_text(f"[jupyter_secure.masks]\n{points}\n")
    monkeypatch.syspath_prepend(tmp_path)
    return pathlib.Path(tmp_path)


@pytest.mark.usefixtures("plugin")
def test_a_mask_of_another_package_is_found_by_name_and_held_to_its_promises():
    assert custom.installed() == {
        "filling": "hospital_masks:Filling",
        "reversed": "hospital_masks:Reversed",
        "short": "hospital_masks:Short",
    }
    assert shown(Custom(name="reversed", options={"upper": True}), ["abc", None]) == ["CBA", None]
    masks.check(lambda kind, key: choose(Custom(name="reversed"), kind, key))
    for name in ("filling", "short"):
        with pytest.raises(PolicyError, match="broke its promises"):
            shown(Custom(name=name), ["abc", None], pa.string())
    with pytest.raises(PolicyError, match="does not work with the options"):
        shown(Custom(name="reversed", options={"depth": 3}), ["abc"])
    with pytest.raises(PolicyError, match="not installed"):
        shown(Custom(name="missing"), ["abc"])


def test_a_method_that_needs_a_key_or_a_person_is_not_made_without():
    for treatment in (Pseudonym(), Bucket(count=2), FormatPreserving(), Noise(scale=1.0, subject="p")):
        with pytest.raises(ValueError, match="needs a key"):
            choose(treatment, pa.string())
    with pytest.raises(ValueError, match="goes by persons"):
        choose(ShiftDates(subject="p"), pa.date32(), KEY)
