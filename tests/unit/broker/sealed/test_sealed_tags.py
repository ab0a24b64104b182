"""Suggested tags: hints with reasons, never values, never silent guesses."""

import pyarrow as pa
import pytest

from jupyter_secure.broker.sealed.lexicon import look_up, words_of
from jupyter_secure.broker.sealed.tags import suggest
from jupyter_secure.protocol.dataset import Tag


def one(name, values, kind=None):
    [suggestion] = suggest(pa.table({name: pa.array(values, kind)}))
    return suggestion


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("patient_id", Tag.DIRECT),
        ("firstName", Tag.DIRECT),
        ("SSN", Tag.DIRECT),
        ("e-mail", Tag.DIRECT),
        ("home_address", Tag.DIRECT),
        ("zip", Tag.QUASI),
        ("birthDate", Tag.QUASI),
        ("AGE_1971", Tag.QUASI),
        ("diagnoses", Tag.SENSITIVE),
        ("smoking_status", Tag.SENSITIVE),
        ("blood pressure", Tag.MEASURE),
        ("total_cost", Tag.MEASURE),
        ("currency", Tag.PUBLIC),
    ],
)
def test_names_hint_at_tags(name, tag):
    suggestion = one(name, ["a", "b"])
    assert suggestion.tag is tag
    assert "name" in suggestion.reason


@pytest.mark.parametrize(
    "value",
    ["a@b.org", "123-45-6789", "+49 30 1234567", "DE89 3704 0044 0532 0130 00", "10.0.0.1", "4111 1111 1111 1111"],
)
def test_values_that_look_like_identifiers_are_direct_whatever_the_name(value):
    suggestion = one("x1", [value] * 9 + ["else"])
    assert suggestion.tag is Tag.DIRECT
    assert value not in suggestion.reason


def test_values_that_are_nearly_all_different_are_direct():
    assert one("x1", [f"k{n}" for n in range(100)]).tag is Tag.DIRECT
    assert one("x1", list(range(100))).tag is Tag.DIRECT
    assert one("x1", [n / 7 for n in range(100)]).tag is Tag.MEASURE


def test_a_number_that_counts_nothing_is_direct():
    rows = 200
    columns = {
        "invoice_number": [10_000_003 + 97_711 * row for row in range(rows)],
        "value": [f"key{row}q{row}z" for row in range(rows)],
        "room_count": [row % 9 for row in range(rows)],
        "total": [100 * row for row in range(rows)],
    }
    tags = {it.column: it.tag for it in suggest(pa.table(columns))}
    assert tags["invoice_number"] is tags["value"] is Tag.DIRECT
    assert tags["room_count"] is not Tag.DIRECT
    assert tags["total"] is Tag.MEASURE


def test_a_few_rows_prove_nothing_about_difference():
    assert one("x1", ["a", "b", "c"]).tag is None


def test_what_gives_no_hint_gets_no_tag():
    suggestion = one("x1", ["a", "b"] * 50)
    assert suggestion.tag is None
    assert suggestion.reason


@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.float64(), pa.date32(), pa.bool_()])
def test_an_empty_column_is_no_error(kind):
    assert one("x1", [None, None], kind).column == "x1"


def test_dates_are_quasi():
    assert one("x1", [0, 1], pa.date32()).tag is Tag.QUASI


def test_the_more_dangerous_word_wins():
    assert look_up("patient_name_count")[1] is Tag.DIRECT
    assert look_up("cost_of_diagnosis")[1] is Tag.SENSITIVE


def test_longer_phrases_win_over_their_words():
    assert look_up("measurement_unit")[1] is Tag.PUBLIC
    assert look_up("date_of_birth")[0] == "date of birth"


def test_names_split_at_capitals_digits_and_punctuation():
    assert words_of("birthDate_71.x") == ["birth", "date", "x"]
    assert words_of("Größe") == ["grosse"]
