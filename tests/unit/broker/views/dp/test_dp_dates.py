"""Dates in groups: every day of the bounds has its bin, as the calendar of the standard library says."""

import datetime as dt
import json

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.views.dp.calendar import bins, labels, span
from jupyter_secure.broker.views.dp.domain import EPOCH, FIRST_DAY, describe, facts
from jupyter_secure.broker.views.dp.job import Normalised, run
from jupyter_secure.broker.views.question import DpQuestion
from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.dpdomain import CategoryDomain, DateDomain, DpDomain, NumberDomain
from jupyter_secure.protocol.errors import InvalidRequestError, PolicyError
from jupyter_secure.protocol.query import Key
from jupyter_secure.protocol.queryread import read_question

EXACT = 10**15
FIRST, LAST = dt.date(2023, 11, 14), dt.date(2024, 3, 2)
DAY = DateDomain(name="day", lower=(FIRST - EPOCH).days, upper=(LAST - EPOCH).days, resolution=1, zone="UTC")
DOMAIN = DpDomain(
    dataset="p",
    privacy_unit="pid",
    contributions=1,
    columns=(
        DAY,
        CategoryDomain(name="sex", keys=("F", "M")),
        NumberDomain(name="age", lower=0, upper=9, resolution=1),
    ),
)
QUARTER = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3, 8: 3, 9: 3, 10: 4, 11: 4, 12: 4}
MEANT = {
    "year": lambda day: day.year,
    "quarter": lambda day: day.replace(month=3 * QUARTER[day.month] - 2, day=1),
    "month": lambda day: day.replace(day=1),
    "week": lambda day: day - dt.timedelta(days=day.weekday()),
    "day": lambda day: day,
    "quarter_of_year": lambda day: QUARTER[day.month],
    "month_of_year": lambda day: day.month,
    "weekday": lambda day: day.isoweekday(),
}


def ask(days, keys, domain=DOMAIN):
    days = days if isinstance(days, pa.Array) else pa.array(days, pa.date32())
    table = pa.table({"pid": np.arange(len(days)), "day": days})
    fields = {"v": 1, "dataset": "p", "aggs": [{"op": "count"}], "group_by": keys}
    question = read_question(json.dumps(fields))
    asked = DpQuestion(question=question, domain=domain, version="v", units=EXACT, bounding_key=bytes(32))
    result = run(asked, lambda names: table.select(list(names)), Normalised(), lambda: None)
    return pa.ipc.open_stream(result.stream).read_all()


def counted(days, part, domain=DOMAIN):
    found = ask(days, [{"col": "day", "part": part}], domain)
    return {key: n for key, n in zip(found["day"].to_pylist(), found["count"].to_pylist(), strict=True) if n}


@pytest.mark.parametrize("part", MEANT)
@given(day=st.dates(), later=st.integers(0, 5000))
def test_every_day_has_the_bin_that_the_calendar_says(part, day, later):
    first = (day - EPOCH).days
    low, high = span(part, first, min(first + later, (dt.date.max - EPOCH).days))
    names = labels(part, low, high)
    assert len(names) == high - low + 1
    assert list(names) == sorted(set(names))
    for number in (first, min(first + later, (dt.date.max - EPOCH).days)):
        place = int(bins(part, np.array([number]))[0]) - low
        assert names[place] == MEANT[part](EPOCH + dt.timedelta(days=number))


@pytest.mark.parametrize("part", MEANT)
def test_days_are_counted_where_they_belong_and_days_outside_at_the_edge(part):
    days = [FIRST, LAST, dt.date(2024, 2, 29), dt.date(1900, 1, 1), dt.date(2999, 1, 1), None]
    expected = {}
    for day in (FIRST, LAST, dt.date(2024, 2, 29), FIRST, LAST):
        expected[MEANT[part](day)] = expected.get(MEANT[part](day), 0) + 1
    assert counted(days, part) == expected | {None: 1}


def test_all_months_of_the_bounds_are_answered_in_their_order_also_empty_ones():
    found = ask([], [{"col": "day", "part": "month"}])
    months = [dt.date(2023, 11, 1), dt.date(2023, 12, 1), *(dt.date(2024, month, 1) for month in (1, 2, 3)), None]
    assert found["day"].to_pylist() == months
    assert found["day"].type == pa.date32()
    assert ask([], [{"col": "day", "part": "weekday"}])["day"].to_pylist() == [*range(1, 8), None]


def test_a_width_counts_days_and_names_their_first():
    found = ask([FIRST, LAST], [{"col": "day", "width": 40}])
    starts = [EPOCH + dt.timedelta(days=40 * place) for place in range(491, 495)]
    assert found.to_pydict()["day"] == [*starts, None]
    assert found["count"].to_pylist() == [1, 0, 0, 1, 0]
    early = msgspec.structs.replace(DOMAIN, columns=(msgspec.structs.replace(DAY, lower=FIRST_DAY),))
    assert ask([], [{"col": "day", "width": 100_000}], early)["day"][0].as_py() == dt.date.min


def test_a_moment_falls_on_the_day_of_the_policy_s_zone():
    late = [dt.datetime(2024, 1, 31, hour, 30, tzinfo=dt.UTC) for hour in (23, 12)]
    berlin = msgspec.structs.replace(
        DOMAIN, columns=(msgspec.structs.replace(DAY, zone="Europe/Berlin"), *DOMAIN.columns[1:])
    )
    january, february = dt.date(2024, 1, 1), dt.date(2024, 2, 1)
    moments, plain = (
        pa.array(late, pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone)) for zone in ("UTC", None)
    )
    assert counted(moments, "month") == {january: 2}
    assert counted(moments, "month", berlin) == {january: 1, february: 1}
    assert counted(plain, "month", berlin) == {january: 2}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ({"col": "day"}, "give a `part`"),
        ({"col": "day", "part": "month", "width": 3}, "without a `width`"),
        ({"col": "sex", "part": "month"}, "of a date alone"),
        ({"col": "age", "part": "month"}, "of a date alone"),
        ({"col": "day", "part": "hour"}, "leaves the closed algebra at `\\$.group_by"),
        ({"col": "day", "part": None}, "leaves the closed algebra"),
    ],
)
def test_what_is_no_part_of_a_date_is_refused_before_any_data(key, why):
    with pytest.raises(InvalidRequestError, match=why):
        ask([], [key])


def test_more_days_than_groups_are_refused():
    wide = msgspec.structs.replace(DOMAIN, columns=(msgspec.structs.replace(DAY, lower=-300_000),))
    assert ask([], [{"col": "day", "part": "year"}], wide).num_rows == 2024 - 1148 + 2
    with pytest.raises(InvalidRequestError, match="larger part"):
        ask([], [{"col": "day", "part": "day"}], wide)


@pytest.mark.parametrize("change", [{"lower": -1e6}, {"upper": 3e6}, {"resolution": 0.5}])
def test_bounds_that_are_no_days_are_refused(change):
    with pytest.raises(PolicyError, match="no dates of the years"):
        facts(msgspec.structs.replace(DOMAIN, columns=(msgspec.structs.replace(DAY, **change),)))


def test_a_policy_writes_bounds_as_dates_and_a_handle_shows_days():
    policy = compile_text("[dataset.p]\nbounds = { day = [2023-11-14, '2024-03-02'], age = [0, 9] }")
    assert policy.datasets["p"].bounds["day"] == (f"{DAY.lower:.0f}", f"{DAY.upper:.0f}")
    shown = describe(DOMAIN, dict.fromkeys((column.name for column in DOMAIN.columns), "int64"))[0]
    assert (shown.kind, shown.lower, shown.upper) == ("date", DAY.lower, DAY.upper)
    for ends, why in (("'2024-02-30', 2024-03-01", "no such day"), ("2024-03-01, 2024-02-01", "less than the largest")):
        with pytest.raises(PolicyError, match=f"line 2.*{why}"):
            compile_text(f"[dataset.p]\nbounds = {{ day = [{ends}] }}")


def test_a_key_without_a_part_keeps_its_canonical_form():
    assert canonical(Key(col="age", width=10)) == b'{"col":"age","width":10}'
